#include "upstream/retry_policy.h"

namespace sluice::upstream {

bool may_retry(const config::Retries& rules, const Failure& failure, const AttemptFacts& facts) noexcept {
  if (facts.attempt >= rules.attempts || failure.retryable == Retryable::no) return false;
  if (failure.retryable == Retryable::always) return rules.on_connect;
  if (failure.retryable == Retryable::untouched) return rules.on_connect && facts.body_at_hand;
  if (!facts.idempotent || !facts.body_at_hand) return false;
  return rules.on_reset || (facts.reused && rules.on_connect);
}

bool may_repeat(const config::Retries& rules, unsigned status, const AttemptFacts& facts) noexcept {
  return rules.repeats(status) && facts.attempt < rules.attempts && facts.idempotent && facts.body_at_hand;
}

}  // namespace sluice::upstream
