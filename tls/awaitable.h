// What a coroutine of ours returns. `co_await` starts it and gives its result; spawn() starts one that nobody waits for.
// One thread only, like everything else of a worker: the loop that resumes a coroutine is the one that it was started in.
//
// Why not Asio's: an asio::awaitable posts through the scheduler, makes a frame for every operation that is awaited, and takes
// frames over 1 KiB from the heap, at every request.
//
// An awaited coroutine runs at once, as a call would. If it ends without having waited, its caller goes on without having been
// suspended, so a loop over such calls needs no stack. Otherwise the caller is resumed from the end of the callee.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "tls/frame_memory.h"

namespace sluice {

template <typename T = void>
class Awaitable;

namespace coroutine {

struct PromiseBase {
  // The caller, from the moment in which it was suspended; before that the callee has nobody to resume.
  std::coroutine_handle<> caller;
  std::exception_ptr exception;

  struct Final {
    bool await_ready() const noexcept { return false; }
    // The caller destroys this frame while it runs: nothing of it may be touched afterwards.
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      if (const std::coroutine_handle<> caller = ended.promise().caller) caller.resume();
    }
    void await_resume() const noexcept {}
  };

  static void* operator new(std::size_t size) { return FrameMemory::allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { FrameMemory::release(memory, size); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Awaitable<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Awaitable<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace coroutine

template <typename T>
class [[nodiscard]] Awaitable {
 public:
  using promise_type = coroutine::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Awaitable(Handle handle) noexcept : handle_(handle) {}
  Awaitable(Awaitable&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Awaitable& operator=(Awaitable&&) = delete;
  ~Awaitable() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().caller = caller;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace coroutine {

template <typename T>
Awaitable<T> Promise<T>::get_return_object() noexcept {
  return Awaitable<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Awaitable<void> Promise<void>::get_return_object() noexcept {
  return Awaitable<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace coroutine
}  // namespace sluice
