// Memory for coroutine frames: a request makes and drops about ten of them, mostly of the same few sizes, so each thread keeps
// those that were given back. Thread-local; a thread keeps at most kMostKept of each size.
#pragma once

#include <cstddef>

namespace sluice {

struct FrameMemory {
  static constexpr std::size_t kGrain = 128;
  static constexpr std::size_t kLargest = 4096;  // larger frames come from the heap
  static constexpr unsigned kMostKept = 64;

  // Throws std::bad_alloc.
  static void* allocate(std::size_t size);
  static void release(void* memory, std::size_t size) noexcept;
};

}  // namespace sluice
