#include "gateway/http2/priority.h"

#include <gtest/gtest.h>

namespace sluice::http2 {
namespace {

std::string read(std::string_view text) {
  const Priority priority = parse_priority(text);
  return std::to_string(priority.urgency) + (priority.incremental ? "i" : "");
}

TEST(ParsePriorityTest, ReadsWhatRfc9218Knows) {
  EXPECT_EQ(read(""), "3");
  EXPECT_EQ(read("u=0"), "0");
  EXPECT_EQ(read("u=7,i"), "7i");
  EXPECT_EQ(read(" i , \tu=5 "), "5i");
  EXPECT_EQ(read("i=?1"), "3i");
  EXPECT_EQ(read("i,i=?0"), "3") << "the last one holds";
  EXPECT_EQ(read("u=1;x=\"y\", i;z"), "1i");
}

TEST(ParsePriorityTest, LeavesOutWhatItCannotRead) {
  for (const char* text : {"u", "u=", "u=8", "u=-1", "u=10", "u=?1", "U=1", "i=1", "i=?2", "ii", ",,", ";", "=", "v=1, w", "u = 1"}) EXPECT_EQ(read(text), "3") << text;
  EXPECT_EQ(read("u=9,i"), "3i");
}

TEST(PriorityUpdatesTest, RemembersTheLastOneOfAStreamForAWhile) {
  PriorityUpdates updates;
  EXPECT_FALSE(updates.find(0));
  EXPECT_FALSE(updates.find(1));
  updates.add(1, {.urgency = 1});
  updates.add(1, {.urgency = 6, .incremental = true});
  updates.add(3, {});
  ASSERT_TRUE(updates.find(1));
  EXPECT_EQ(updates.find(1)->urgency, 6);
  EXPECT_TRUE(updates.find(1)->incremental);
  updates.add(1 + 2 * 64, {});
  EXPECT_FALSE(updates.find(1));
  EXPECT_TRUE(updates.find(3));
}

}  // namespace
}  // namespace sluice::http2
