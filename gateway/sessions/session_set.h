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
  // `drain` does at once what a drain asks of this session; it may cancel, but lets no entry go. Null: the session ends by itself.
  using Drain = void (*)(void* context);
  SessionEntry(SessionSet& set, tls::Stream& stream, Drain drain, void* context);
  SessionEntry(const SessionEntry&) = delete;
  SessionEntry& operator=(const SessionEntry&) = delete;
  ~SessionEntry();

 private:
  friend class SessionSet;
  SessionSet& set_;
  tls::Stream& stream_;
  Drain drain_;
  void* context_;
  SessionEntry* previous_ = nullptr;
  SessionEntry* next_ = nullptr;
};

class SessionSet {
 public:
  void drain();
  // Ends all of them now.
  void cut_all();

 private:
  friend class SessionEntry;
  SessionEntry* first_ = nullptr;
};

}  // namespace sluice::sessions
