// The HTTP sessions that are open on one worker, for draining. Used by that thread alone.
#pragma once

#include <algorithm>

#include "config/values.h"
#include "tls/stream.h"

namespace sluice::sessions {

class SessionSet;

// A connection that was accepted as the drain began may have a request under way.
inline constexpr std::chrono::milliseconds kFirstRequestWhileDraining{1000};

// What is left of a time limit after `used`; never nothing, so that the limit still ends what it is for.
inline config::OptionalDuration left_of(config::OptionalDuration limit, config::Duration used) {
  if (limit) limit = std::max(*limit - used, config::Duration(1));
  return limit;
}

// A session's entry: lives in its coroutine, from its first request to its end.
class SessionEntry {
 public:
  // `first_request`: the deadline that a drain may shorten while the session is fresh; null: there is none.
  SessionEntry(SessionSet& set, tls::Stream& stream, tls::Deadline* first_request);
  SessionEntry(const SessionEntry&) = delete;
  SessionEntry& operator=(const SessionEntry&) = delete;
  ~SessionEntry();

  enum class State : std::uint8_t {
    fresh,  // nothing of a first request was received: one may be under way
    idle,   // between requests, with nothing of the next one received: it may be ended without loss
    busy,
  };
  void set_state(State state) noexcept { state_ = state; }

 private:
  friend class SessionSet;
  SessionSet& set_;
  tls::Stream& stream_;
  tls::Deadline* first_request_;
  State state_ = State::busy;
  SessionEntry* previous_ = nullptr;
  SessionEntry* next_ = nullptr;
};

class SessionSet {
 public:
  // Ends the idle ones, gives fresh ones a moment for their request; the others end after their response.
  void drain();
  // Ends all of them now.
  void cut_all();

 private:
  friend class SessionEntry;
  SessionEntry* first_ = nullptr;
};

}  // namespace sluice::sessions
