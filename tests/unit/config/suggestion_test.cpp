#include "config/suggestion.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

const std::vector<std::string> kKnown = {"connect", "request_head", "response_head", "to", "on"};

TEST(Nearest, FindsSlipsOfTheFingers) {
  EXPECT_EQ(nearest("conect", kKnown), "connect");
  EXPECT_EQ(nearest("connectt", kKnown), "connect");
  EXPECT_EQ(nearest("ocnnect", kKnown), "connect");
  EXPECT_EQ(nearest("requesthead", kKnown), "request_head");
}

TEST(Nearest, FoldsCaseAndDashes) {
  EXPECT_EQ(nearest("Request-Head", kKnown), "request_head");
  EXPECT_EQ(nearest("responseHead", kKnown), "response_head");
}

TEST(Nearest, PrefersTheNearest) { EXPECT_EQ(nearest("requestt_head", kKnown), "request_head"); }

TEST(Nearest, SaysNothingRatherThanNonsense) {
  EXPECT_EQ(nearest("maintenance", kKnown), "");
  EXPECT_EQ(nearest("xy", kKnown), "");
  EXPECT_EQ(nearest("", kKnown), "");
  EXPECT_EQ(nearest("connect", {}), "");
}

TEST(Hint, ListsEverythingWhenNothingIsNear) {
  EXPECT_EQ(hint("conect", kKnown), "did you mean connect?");
  EXPECT_EQ(hint("zzz", {"a", "b", "c"}), "expected a, b or c");
}

}  // namespace
}  // namespace sluice::config
