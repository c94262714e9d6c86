// The HTTP sessions that are open on one worker, for draining. Used by that thread alone.
#pragma once

#include "tls/stream.h"

namespace sluice::sessions {

class SessionSet;

// A session's entry: lives in its coroutine, from its first request to its end.
class SessionEntry {
 public:
  SessionEntry(SessionSet& set, tls::Stream& stream);
  SessionEntry(const SessionEntry&) = delete;
  SessionEntry& operator=(const SessionEntry&) = delete;
  ~SessionEntry();

  // Between requests, with nothing of the next one received: it may be ended without loss.
  void set_idle(bool idle) noexcept { idle_ = idle; }

 private:
  friend class SessionSet;
  SessionSet& set_;
  tls::Stream& stream_;
  bool idle_ = true;
  SessionEntry* previous_ = nullptr;
  SessionEntry* next_ = nullptr;
};

class SessionSet {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  // Ends the idle ones; the others end after their response.
  void close_idle();
  // Ends all of them now.
  void cut_all();

 private:
  friend class SessionEntry;
  SessionEntry* first_ = nullptr;
};

}  // namespace sluice::sessions
