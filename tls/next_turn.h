// Something to be called when others have had their turn: behind the events of this turn of the loop, or, asked for by something that
// was called so itself, behind those of the next. For whoever is in the middle of something now, or has had its share. Destroying it,
// or the loop, takes the request back. Used by the loop's thread alone.
#pragma once

namespace sluice::tls {

class EventLoop;

class NextTurn {
 public:
  using Callback = void (*)(void* context);
  NextTurn(EventLoop& loop, Callback callback, void* context) noexcept
      : loop_(loop), callback_(callback), context_(context) {}
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;
  ~NextTurn() { cancel(); }

  void request() noexcept;  // once, however often it is asked for before it happens
  void cancel() noexcept;

 private:
  friend class EventLoop;
  EventLoop& loop_;
  Callback callback_;
  void* context_;
  NextTurn* next_ = nullptr;
  NextTurn** link_ = nullptr;  // what points at us; null: not requested
};

}  // namespace sluice::tls
