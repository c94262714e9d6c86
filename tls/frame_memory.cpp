#include "tls/frame_memory.h"

#include <new>
#include <utility>

namespace sluice {
namespace {

struct Free {
  Free* next;
};

struct Kept {
  Free* first = nullptr;
  std::size_t bytes = 0;
};

// The kept frames of this thread; they go with it.
struct Cache {
  Kept sizes[FrameMemory::kLargest / FrameMemory::kGrain];
  ~Cache() {
    for (Kept& kept : sizes) {
      while (kept.first != nullptr) ::operator delete(std::exchange(kept.first, kept.first->next));
      kept.bytes = FrameMemory::kMostKept;  // what comes back after this is not kept
    }
  }
};

constexpr std::size_t size_kept(std::size_t size) noexcept {
  return (size + FrameMemory::kGrain - 1) / FrameMemory::kGrain * FrameMemory::kGrain;
}

Kept& kept_of(std::size_t size) {
  thread_local Cache cache;
  return cache.sizes[(size - 1) / FrameMemory::kGrain];
}

// A sanitizer sees the use of a frame that is gone only if its memory is really given back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeep = false;
#else
constexpr bool kKeep = true;
#endif

}  // namespace

void* FrameMemory::allocate(std::size_t size) {
  if (!kKeep || size > kLargest) return ::operator new(size);
  Kept& kept = kept_of(size);
  if (kept.first == nullptr) return ::operator new(size_kept(size));
  kept.bytes -= size_kept(size);
  return std::exchange(kept.first, kept.first->next);
}

void FrameMemory::release(void* memory, std::size_t size) noexcept {
  if (!kKeep || size > kLargest) return ::operator delete(memory);
  Kept& kept = kept_of(size);
  if (kept.bytes >= kMostKept) return ::operator delete(memory);
  kept.bytes += size_kept(size);
  kept.first = new (memory) Free{kept.first};
}

}  // namespace sluice
