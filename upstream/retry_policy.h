// Whether an attempt may be followed by another: pure functions for all callers. See `retries` in the configuration.
#pragma once

#include "config/upstream_config.h"
#include "upstream/failure.h"

namespace sluice::upstream {

struct AttemptFacts {
  unsigned attempt = 1;          // the one that failed, counted from 1
  bool idempotent = false;       // the method (RFC 9110 9.2.2)
  bool body_at_hand = true;      // no body, or all that was sent of it is still held
  bool reused = false;           // it went over a pooled connection
};

// A failed connect: any method, since the request has not left. So does one that an HTTP/2 backend has refused to look at, with the
// body at hand. A pooled connection that died before the first response
// byte: most likely it was closed as the request was sent, so it counts as a failed connect if the method is idempotent.
// Anything else only before the first response byte, idempotent, with the body at hand.
bool may_retry(const config::Retries& rules, const Failure& failure, const AttemptFacts& facts) noexcept;
// Whether an answer of this status may be thrown away for another attempt.
bool may_repeat(const config::Retries& rules, unsigned status, const AttemptFacts& facts) noexcept;

}  // namespace sluice::upstream
