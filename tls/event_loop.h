// A worker's event loop: waits for its descriptors with epoll, for its deadlines, and for tasks from other threads.
// Used by its own thread alone, but for post().
//
// Why not Asio's: its reactor tells of readiness by carrying out a read or a write, so that every wait costs one that finds
// nothing, and it cannot watch for a peer's FIN behind unread bytes (EPOLLRDHUP). Here a descriptor is registered once, and a
// stream knows whether a call is worth making.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "tls/deadline.h"
#include "tls/descriptor.h"
#include "tls/heavy_work.h"
#include "tls/io_types.h"
#include "tls/next_turn.h"
#include "tls/waiter.h"

namespace sluice::tls {

// What is told of a descriptor's events. It may be destroyed from within on_events(), also by whatever that resumes.
class EventSource {
 public:
  virtual void on_events(std::uint32_t events) = 0;  // EPOLL... bits

 protected:
  ~EventSource() = default;
};

class EventLoop {
 public:
  EventLoop();  // throws std::system_error
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  TimerWheel& wheel() noexcept { return wheel_; }
  // When this turn's events were fetched: for whoever asks often, and does not mind what the turn has taken since.
  Clock::time_point now() const noexcept { return now_; }
  // How many have begun.
  std::uint64_t turns() const noexcept { return turns_; }

  // `events` as for epoll; EPOLLERR and EPOLLHUP always come. `source` must be removed before it goes.
  ErrorCode add(int descriptor, std::uint32_t events, EventSource& source);
  ErrorCode change(int descriptor, std::uint32_t events, EventSource& source);
  // Forgets events that were fetched already. The descriptor leaves epoll when it is closed, as long as it is this process's alone.
  void forget(EventSource& source) noexcept;
  // The same for one that other processes have as well: epoll would go on telling of it.
  void remove(int descriptor, EventSource& source) noexcept;
  // Before a descriptor is closed: the one or the other.
  void before_close(int descriptor, EventSource& source) noexcept {
    may_be_shared_ ? remove(descriptor, source) : forget(source);
  }
  // From now on a child process may have copies of descriptors: between fork and exec it has all of them.
  void expect_shared_descriptors() noexcept { may_be_shared_ = true; }

  // Starts a coroutine that nobody waits for; it runs until it first waits. It catches its own exceptions. Those that still
  // wait when the loop goes are destroyed with it.
  void spawn(Awaitable<> coroutine);
  // In a coroutine: goes on after the others have had their turn.
  Awaitable<> next_turn();
  HeavyWork& heavy_work() noexcept { return heavy_work_; }

  // Any thread. Tasks run in order; those that come after the loop has ended are dropped.
  void post(std::function<void()> task);

  // Returns when finish() was called and the last spawned coroutine has ended. What a callback throws comes out of here;
  // it may then be called again and goes on with the next event.
  void run();
  void finish() noexcept { finishing_ = true; }
  bool finished() const noexcept { return finishing_ && spawned_ == nullptr && turn_requests_ == nullptr; }
  // One turn: waits for at most `patience`, which it cuts short for deadlines and requests. What tests use.
  void turn(std::chrono::milliseconds patience);

 private:
  friend class NextTurn;
  struct Root;
  struct Spawned;
  static constexpr int kBatch = 128;  // events fetched by one call

  // What other threads have posted.
  struct Mailbox final : EventSource {
    explicit Mailbox(EventLoop& owner) : loop(owner) {}
    void on_events(std::uint32_t events) override;
    EventLoop& loop;
    Descriptor wake;  // an eventfd
    std::mutex mutex;
    std::vector<std::function<void()>> tasks;
    std::vector<std::function<void()>> running;
    std::size_t next = 0;  // of `running`
    void run();
  };

  void run_requests();
  void dispatch();
  int timeout(std::chrono::milliseconds patience) const;
  static Root run_root(EventLoop& loop, Awaitable<> coroutine);

  Descriptor epoll_;
  Clock::time_point now_ = Clock::now();
  std::uint64_t turns_ = 0;
  TimerWheel wheel_;
  Mailbox mailbox_{*this};
  NextTurn* turn_requests_ = nullptr;   // in the order in which they were made
  NextTurn** turn_requests_end_ = &turn_requests_;
  HeavyWork heavy_work_{*this};
  std::array<epoll_event, kBatch> events_;
  int event_count_ = 0;
  int next_event_ = 0;
  Spawned* spawned_ = nullptr;  // the spawned coroutines that have not ended
  bool finishing_ = false;
  bool may_be_shared_ = false;
};

}  // namespace sluice::tls
