// Memory for coroutine frames, and for what else comes and goes with a request or a message: there are about ten of them, mostly of the same
// few sizes, so each thread keeps those that were given back. Thread-local; a thread keeps at most kMostKept bytes of each size, some
// 8 MiB if it ever needed so much of all of them. What one thread allocated another may release.
#pragma once

#include <cstddef>
#include <string>

namespace sluice {

struct FrameMemory {
  static constexpr std::size_t kGrain = 128;
  static constexpr std::size_t kLargest = 4096;  // larger frames come from the heap
  static constexpr std::size_t kMostKept = 256 * 1024;  // 150 requests that wait for a backend at once

  // Throws std::bad_alloc.
  static void* allocate(std::size_t size);
  static void release(void* memory, std::size_t size) noexcept;
};

// For a container with such memory.
template <typename T>
struct FrameAllocator {
  using value_type = T;

  FrameAllocator() noexcept = default;
  template <typename Other>
  FrameAllocator(const FrameAllocator<Other>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(FrameMemory::allocate(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { FrameMemory::release(memory, count * sizeof(T)); }
  friend bool operator==(const FrameAllocator&, const FrameAllocator&) noexcept { return true; }
};

using FrameString = std::basic_string<char, std::char_traits<char>, FrameAllocator<char>>;

}  // namespace sluice
