#include "gateway/http/message.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(Heads, KeepTheirMemoryForTheNextMessage) {
  ResponseHead head;
  head.bytes.assign(1000, 'x');
  head.headers.add("Name", "value");
  const char* const memory = head.bytes.data();
  head.clear();
  EXPECT_TRUE(head.bytes.empty());
  EXPECT_TRUE(head.headers.empty());
  EXPECT_GE(head.bytes.capacity(), 1000u);
  EXPECT_EQ(head.bytes.data(), memory);
}

// A connection may be idle for long after its one head of 64 KiB.
TEST(Heads, GiveBackWhatAnUnusuallyLargeMessageNeeded) {
  RequestHead head;
  head.bytes.assign(60000, 'x');
  head.clear();
  EXPECT_LT(head.bytes.capacity(), 60000u);
}

}  // namespace
}  // namespace sluice::http
