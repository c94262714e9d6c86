#include "metrics/log_text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "metrics/log.h"

namespace sluice::metrics {
namespace {

std::string json_cut(std::string_view text, std::size_t limit) {
  std::string out = "before ";
  CutText(out, limit, append_json_escaped).add(text);
  return out.substr(7);
}

std::string word_cut(std::string_view text, std::size_t limit) {
  std::string out;
  CutText(out, limit, [](std::string& to, std::string_view part) {
    append_printable(to, part, " \"");
  }).add(text);
  return out;
}

TEST(CutText, LeavesAloneWhatFits) {
  EXPECT_EQ(json_cut("", 4), "");
  EXPECT_EQ(json_cut("abcd", 4), "abcd");
  EXPECT_EQ(word_cut("abcd", 4), "abcd");
  EXPECT_EQ(json_cut(std::string(1024, 'x'), 1024), std::string(1024, 'x'));
}

TEST(CutText, MarksWhatItCut) {
  EXPECT_EQ(json_cut("abcde", 4), "abcd[...]");
  EXPECT_EQ(word_cut("abcde", 4), "abcd[...]");
  EXPECT_EQ(json_cut(std::string(64000, 'x'), 1024), std::string(1024, 'x') + "[...]");
  EXPECT_EQ(json_cut("a", 0), "[...]");
}

TEST(CutText, CutsBetweenCharacters) {
  EXPECT_EQ(json_cut("abü", 4), "abü");
  EXPECT_EQ(json_cut("abcü", 4), "abc[...]");
  EXPECT_EQ(json_cut("a\xF0\x9F\x91\x8B", 5), "a\xF0\x9F\x91\x8B");
  for (std::size_t limit = 1; limit < 5; ++limit) {
    EXPECT_EQ(json_cut("a\xF0\x9F\x91\x8B", limit), "a[...]") << limit;
  }
  // Escaped byte by byte, and still one character.
  EXPECT_EQ(word_cut("aü", 9), "a\\xc3\\xbc");
  EXPECT_EQ(word_cut("aü", 8), "a[...]");
}

TEST(CutText, CutsBetweenEscapes) {
  EXPECT_EQ(json_cut("\x01\x02", 12), "\\u0001\\u0002");
  for (std::size_t limit = 6; limit < 12; ++limit) {
    EXPECT_EQ(json_cut("\x01\x02", limit), "\\u0001[...]") << limit;
  }
  EXPECT_EQ(json_cut("a\"\"", 4), "a\\\"[...]");
  EXPECT_EQ(word_cut("a\\\\", 4), "a\\\\[...]");
  EXPECT_EQ(word_cut("a b", 4), "a[...]");
  EXPECT_EQ(json_cut("a%41b", 4), "a%41[...]");
  EXPECT_EQ(json_cut("a%41b", 3), "a[...]");
  EXPECT_EQ(json_cut("a%4gb", 3), "a%4[...]");
}

TEST(CutText, CountsWhatIsPrinted) {
  const std::string bytes(64000, '\xff');
  EXPECT_EQ(word_cut(bytes, 1024).size(), 1024 + kCutMark.size());
  EXPECT_EQ(json_cut(bytes, 1024).size(), 1023 + kCutMark.size());  // U+FFFD has three bytes
}

TEST(CutText, TakesPartsTogether) {
  std::string out;
  CutText text(out, 5, append_json_escaped);
  text.add("abc");
  text.add("de");
  EXPECT_EQ(out, "abcde");
  text.add("f");
  text.add("g");
  EXPECT_EQ(out, "abcde[...]");
}

// What is kept of a text is cut where the whole would have been.
TEST(LookedAt, IsEnough) {
  for (const std::string_view piece :
       {"a", "ü", "\xF0\x9F\x91\x8B", "%41", "\xff", "\xE2\x82", "\"", "\x01"}) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      std::string text(shift, 'x');
      while (text.size() < 200) text += piece;
      for (std::size_t limit = 20; limit < 30; ++limit) {
        const std::string_view kept = looked_at(text, limit);
        EXPECT_LT(kept.size(), limit + 8);
        EXPECT_EQ(json_cut(kept, limit), json_cut(text, limit));
        EXPECT_EQ(word_cut(kept, limit), word_cut(text, limit));
      }
    }
  }
  EXPECT_EQ(looked_at("short", 20), "short");
}

}  // namespace
}  // namespace sluice::metrics
