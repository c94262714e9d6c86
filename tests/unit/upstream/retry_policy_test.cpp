#include "upstream/retry_policy.h"

#include <gmock/gmock.h>

namespace sluice::upstream {
namespace {

constexpr config::Retries kNone{.attempts = 2, .on_connect = false, .on_reset = false};
constexpr config::Retries kConnect{.attempts = 2, .on_connect = true, .on_reset = false};
constexpr config::Retries kReset{.attempts = 2, .on_connect = false, .on_reset = true};
constexpr config::Retries kBoth{.attempts = 2, .on_connect = true, .on_reset = true};

struct Case {
  const char* what;
  config::Retries rules;
  Retryable retryable;
  AttemptFacts facts;
  bool again;
};

// The facts in the order: attempt, idempotent, body at hand, reused.
const Case kCases[] = {
    {"a failed connect: any method", kConnect, Retryable::always, {1, false, true, false}, true},
    {"a failed connect: the body does not matter, it has not left",
     kConnect,
     Retryable::always,
     {1, false, false, false},
     true},
    {"a failed connect that is not asked for", kReset, Retryable::always, {1, true, true, false}, false},
    {"nothing is asked for", kNone, Retryable::always, {1, true, true, false}, false},
    {"nothing is asked for, reset", kNone, Retryable::if_idempotent, {1, true, true, false}, false},
    {"nothing is asked for, stale", kNone, Retryable::if_idempotent, {1, true, true, true}, false},

    {"a request that was not looked at: any method", kConnect, Retryable::untouched, {1, false, true, true}, true},
    {"not looked at, and the body is gone", kBoth, Retryable::untouched, {1, true, false, true}, false},
    {"not looked at, and not asked for", kReset, Retryable::untouched, {1, true, true, true}, false},
    {"not looked at, the last attempt", kBoth, Retryable::untouched, {2, true, true, true}, false},

    {"a reset by default", kConnect, Retryable::if_idempotent, {1, true, true, false}, false},
    {"a reset", kReset, Retryable::if_idempotent, {1, true, true, false}, true},
    {"a reset of a POST", kReset, Retryable::if_idempotent, {1, false, true, false}, false},
    {"a reset behind a body that is gone", kReset, Retryable::if_idempotent, {1, true, false, false}, false},

    {"a stale connection counts as a failed connect",
     kConnect,
     Retryable::if_idempotent,
     {1, true, true, true},
     true},
    {"a stale connection, POST", kConnect, Retryable::if_idempotent, {1, false, true, true}, false},
    {"a stale connection, the body is gone",
     kConnect,
     Retryable::if_idempotent,
     {1, true, false, true},
     false},
    {"a stale connection is a reset as well", kReset, Retryable::if_idempotent, {1, true, true, true}, true},
    {"a stale connection, both asked for", kBoth, Retryable::if_idempotent, {1, true, true, true}, true},

    {"what must not be repeated", kBoth, Retryable::no, {1, true, true, true}, false},
    {"the last attempt", kBoth, Retryable::always, {2, true, true, false}, false},
    {"beyond the last attempt", kBoth, Retryable::always, {3, true, true, false}, false},
    {"one attempt only", {1, true, true}, Retryable::always, {1, true, true, false}, false},
    {"more attempts", {4, true, true}, Retryable::always, {3, true, true, false}, true},
};

TEST(RetryPolicyTest, Table) {
  for (const Case& each : kCases) {
    const Failure failure{FailureCode::reset, each.retryable, {}};
    EXPECT_EQ(may_retry(each.rules, failure, each.facts), each.again) << each.what;
  }
}

TEST(RetryPolicyTest, AnAnswerIsRepeatedWhereItsStatusIsNamedAndNothingWasDone) {
  config::Retries rules;
  const AttemptFacts good{1, true, true, false};
  EXPECT_FALSE(may_repeat(rules, 503, good)) << "nothing is asked for";
  rules.on_503 = true;
  EXPECT_TRUE(may_repeat(rules, 503, good));
  for (const unsigned status : {200, 404, 500, 502, 504, 505}) EXPECT_FALSE(may_repeat(rules, status, good)) << status;
  EXPECT_FALSE(may_repeat(rules, 503, {2, true, true, false})) << "the last attempt";
  EXPECT_FALSE(may_repeat(rules, 503, {1, false, true, false})) << "a POST";
  EXPECT_FALSE(may_repeat(rules, 503, {1, true, false, false})) << "the body is gone";
  rules.on_502 = rules.on_504 = true;
  EXPECT_TRUE(may_repeat(rules, 502, good));
  EXPECT_TRUE(may_repeat(rules, 504, good));
}

TEST(FailureTest, EveryCodeHasANameAndASentenceOfItsOwn) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(FailureCode::count_); ++i) {
    const auto code = static_cast<FailureCode>(i);
    EXPECT_FALSE(name_of(code).empty());
    EXPECT_EQ(describe(code).empty(), code == FailureCode::none);
    EXPECT_EQ(std::count(names.begin(), names.end(), name_of(code)), 0) << name_of(code);
    names.push_back(name_of(code));
  }
  EXPECT_EQ(name_of(FailureCode::client_left), "client_left");
  EXPECT_EQ(name_of(FailureCode::bad_upgrade), "bad_upgrade");
}

}  // namespace
}  // namespace sluice::upstream
