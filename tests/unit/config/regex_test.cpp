#include "config/regex.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

Regex regex(const std::string& pattern) {
  Regex result;
  EXPECT_EQ(Regex::parse(pattern, result), std::nullopt) << pattern;
  return result;
}

TEST(Regex, IsFoundAnywhereUnlessAnchored) {
  EXPECT_TRUE(regex("v[0-9]+").found_in("/api/v12/x"));
  EXPECT_FALSE(regex("^v[0-9]+").found_in("/api/v12/x"));
  EXPECT_TRUE(regex("^/v1$").found_in("/v1"));
  EXPECT_FALSE(regex("^/v1$").found_in("/v1/"));
}

TEST(Regex, EveryByteIsACharacter) {
  EXPECT_TRUE(regex("^a.b$").found_in("a\xff" "b"));
  EXPECT_TRUE(regex("^a.b$").found_in(std::string_view("a\0b", 3)));
  EXPECT_TRUE(regex("ä").found_in("ein ä"));
}

TEST(Regex, WithoutAPatternNothingMatches) {
  EXPECT_FALSE(Regex().found_in(""));
  EXPECT_FALSE(Regex().found_in("x"));
}

TEST(Regex, SaysWhatIsWrong) {
  Regex result;
  for (const char* pattern : {"", "(", "a**", "\\1", "[z-a]", "(?<n>a)(?=b)"}) {
    EXPECT_NE(Regex::parse(pattern, result), std::nullopt) << pattern;
  }
  EXPECT_NE(Regex::parse(std::string(Regex::kLongestPattern + 1, 'a'), result), std::nullopt);
}

TEST(Regex, ReplacesItsFirstMatch) {
  EXPECT_EQ(regex("b(.)").replace_first("abcbd", "<\\1\\0>"), "a<cbc>bd");
  EXPECT_EQ(regex("x").replace_first("abc", "y"), std::nullopt);
  EXPECT_EQ(regex("(x)?b").replace_first("abc", "[\\1]"), "a[]c") << "a group without a part is empty";
  EXPECT_EQ(Regex().replace_first("abc", "y"), std::nullopt);
  EXPECT_EQ(regex("(a)(b)").groups(), 2);
  EXPECT_EQ(Regex().groups(), 0);
}

// What takes a backtracking engine longer than the age of the universe.
TEST(Regex, TheTimeIsLinear) {
  EXPECT_FALSE(regex("(a+)+(a+)+(a+)+$b").found_in(std::string(64 * 1024, 'a')));
}

}  // namespace
}  // namespace sluice::config
