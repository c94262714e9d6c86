#include "tls/event_loop.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace sluice::tls {
namespace {

constexpr std::chrono::milliseconds kForever = std::chrono::hours(1);

ErrorCode last_error() { return ErrorCode(errno, std::system_category()); }

}  // namespace

// ---- requests for the next turn ------------------------------------------------------------------------------------

void NextTurn::request() noexcept {
  if (link_ != nullptr) return;
  next_ = nullptr;
  link_ = loop_.turn_requests_end_;
  *link_ = this;
  loop_.turn_requests_end_ = &next_;
}

void NextTurn::cancel() noexcept {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) {
    next_->link_ = link_;
  } else if (loop_.turn_requests_end_ == &next_) {
    loop_.turn_requests_end_ = link_;
  }
  link_ = nullptr;
}

// Those that are made meanwhile have the turn after this one.
void EventLoop::run_requests() {
  NextTurn* pending = turn_requests_;
  if (pending == nullptr) return;
  pending->link_ = &pending;
  turn_requests_ = nullptr;
  turn_requests_end_ = &turn_requests_;
  try {
    while (pending != nullptr) {
      NextTurn& request = *pending;
      request.cancel();
      request.callback_(request.context_);
    }
  } catch (...) {  // the others keep their turn
    while (pending != nullptr) {
      NextTurn& request = *pending;
      request.cancel();
      request.request();
    }
    throw;
  }
}

// ---- coroutines ----------------------------------------------------------------------------------------------------

struct EventLoop::Spawned {
  explicit Spawned(EventLoop& loop) noexcept : link(&loop.spawned_), next(loop.spawned_) {
    if (next != nullptr) next->link = &next;
    *link = this;
  }
  Spawned(const Spawned&) = delete;
  Spawned& operator=(const Spawned&) = delete;
  ~Spawned() {
    *link = next;
    if (next != nullptr) next->link = link;
  }

  std::coroutine_handle<> coroutine;
  Spawned** link;  // what points at us
  Spawned* next;
};

// Runs what was spawned; its frame, which holds the list's entry, goes by itself when that has ended.
struct EventLoop::Root {
  struct promise_type : Spawned {
    promise_type(EventLoop& loop, const Awaitable<>&) noexcept : Spawned(loop) {
      coroutine = std::coroutine_handle<promise_type>::from_promise(*this);
    }
    static void* operator new(std::size_t size) { return FrameMemory::allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept { FrameMemory::release(memory, size); }
    Root get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    // Nobody is left to tell; what is spawned catches what can be thrown.
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

EventLoop::Root EventLoop::run_root(EventLoop&, Awaitable<> coroutine) { co_await coroutine; }

void EventLoop::spawn(Awaitable<> coroutine) { run_root(*this, std::move(coroutine)); }

Awaitable<> EventLoop::next_turn() {
  Waiter waiter;
  NextTurn request(*this, [](void* context) { static_cast<Waiter*>(context)->wake(); }, &waiter);
  request.request();
  co_await waiter.wait();
}

// ---- tasks from other threads --------------------------------------------------------------------------------------

void EventLoop::post(std::function<void()> task) {
  const std::lock_guard lock(mailbox_.mutex);
  mailbox_.tasks.push_back(std::move(task));
  if (mailbox_.tasks.size() > 1) return;  // the first one's wake is under way
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable.
  [[maybe_unused]] const ssize_t written = ::write(mailbox_.wake.get(), &one, sizeof one);
}

void EventLoop::Mailbox::on_events(std::uint32_t) {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(wake.get(), &count, sizeof count);
  run();
}

void EventLoop::Mailbox::run() {
  if (next == running.size()) {
    running.clear();
    next = 0;
    const std::lock_guard lock(mutex);
    running.swap(tasks);
  }
  while (next < running.size()) {
    const std::function<void()> task = std::move(running[next++]);
    task();
  }
}

// ---- the loop ------------------------------------------------------------------------------------------------------

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(last_error(), "epoll_create1");
  mailbox_.wake = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!mailbox_.wake) throw std::system_error(last_error(), "eventfd");
  if (const ErrorCode error = add(mailbox_.wake.get(), EPOLLIN, mailbox_)) throw std::system_error(error, "epoll_ctl");
}

EventLoop::~EventLoop() {
  while (spawned_ != nullptr) spawned_->coroutine.destroy();
  while (turn_requests_ != nullptr) turn_requests_->cancel();
}

ErrorCode EventLoop::add(int descriptor, std::uint32_t events, EventSource& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0 ? ErrorCode{} : last_error();
}

ErrorCode EventLoop::change(int descriptor, std::uint32_t events, EventSource& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) == 0 ? ErrorCode{} : last_error();
}

void EventLoop::forget(EventSource& source) noexcept {
  for (int i = next_event_; i < event_count_; ++i) {
    if (events_[static_cast<std::size_t>(i)].data.ptr == &source) events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
  }
}

void EventLoop::remove(int descriptor, EventSource& source) noexcept {
  forget(source);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

int EventLoop::timeout(std::chrono::milliseconds patience) const {
  if (turn_requests_ != nullptr || mailbox_.next < mailbox_.running.size()) return 0;
  const Clock::time_point wakes_at = wheel_.wakes_at();
  if (wakes_at != Clock::time_point::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(wakes_at - Clock::now());
    patience = std::clamp(left, std::chrono::milliseconds(0), patience);
  }
  return static_cast<int>(std::min(patience, kForever).count());
}

// The position survives what a callback throws: an edge that was fetched is not told again.
void EventLoop::dispatch() {
  while (next_event_ < event_count_) {
    const epoll_event& event = events_[static_cast<std::size_t>(next_event_++)];
    if (event.data.ptr != nullptr) static_cast<EventSource*>(event.data.ptr)->on_events(event.events);
  }
}

void EventLoop::turn(std::chrono::milliseconds patience) {
  ++turns_;
  if (next_event_ == event_count_) {
    const int count = ::epoll_wait(epoll_.get(), events_.data(), kBatch, timeout(patience));
    event_count_ = std::max(count, 0);  // EINTR: nothing this time
    next_event_ = 0;
    now_ = Clock::now();
  }
  if (mailbox_.next < mailbox_.running.size()) mailbox_.run();
  dispatch();
  wheel_.run(now_);  // what has become due meanwhile is next: timeout() sees it
  run_requests();
}

void EventLoop::run() {
  while (!finished()) turn(kForever);
}

}  // namespace sluice::tls
