#include "gateway/handover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ReadySignTest, TellsWhatIsUnused) {
  EXPECT_EQ((ReadySign{}.text()), "r");
  EXPECT_THAT(ReadySign::parse(ReadySign{{7, 12}}.text())->unused, ::testing::ElementsAre(7, 12));
}

TEST(ReadySignTest, TheByteAloneIsThatOfAnEarlierVersion) {
  ASSERT_TRUE(ReadySign::parse("r"));
  EXPECT_THAT(ReadySign::parse("r")->unused, ::testing::IsEmpty());
  EXPECT_FALSE(ReadySign::parse(""));
  EXPECT_FALSE(ReadySign::parse("x 7"));
}

TEST(ReadySignTest, IsWrittenAtOnceHoweverManyThereAre) {
  ReadySign sign;
  for (int socket = 0; socket < 10000; ++socket) sign.unused.push_back(socket);
  EXPECT_LE(sign.text().size(), ReadySign::kMostBytes);
  EXPECT_TRUE(ReadySign::parse(sign.text()));
}

}  // namespace
}  // namespace sluice
