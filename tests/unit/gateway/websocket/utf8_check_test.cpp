#include "gateway/websocket/utf8_check.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "gateway/websocket/frame.h"

namespace sluice::websocket {
namespace {

// How many bytes are taken before the first wrong one; all and one more: none is wrong, but the text ends within a character.
std::size_t right_bytes(std::string_view text) {
  Utf8Check check;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!check.add(text.substr(i, 1))) return i;
  }
  return check.at_character_end() ? text.size() : text.size() + 1;
}

bool is_right(std::string_view text) { return right_bytes(text) == text.size(); }

TEST(Utf8Check, TakesEveryCharacterOfUnicodeAndNoSurrogate) {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    std::string text;
    if (point < 0x80) {
      text += static_cast<char>(point);
    } else if (point < 0x800) {
      text += static_cast<char>(0xC0 | point >> 6);
    } else if (point < 0x10000) {
      text += static_cast<char>(0xE0 | point >> 12);
    } else {
      text += static_cast<char>(0xF0 | point >> 18);
      text += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    }
    if (point >= 0x800) text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    if (point >= 0x80) text += static_cast<char>(0x80 | (point & 0x3F));
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    Utf8Check check;
    ASSERT_EQ(check.add(text) && check.at_character_end(), !surrogate) << point;
  }
}

TEST(Utf8Check, TellsAtTheFirstWrongByte) {
  EXPECT_EQ(right_bytes("\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80"), 12u);  // beyond U+10FFFF
  EXPECT_EQ(right_bytes("ab\x80"), 2u);              // nothing that it could continue
  EXPECT_EQ(right_bytes("\xC0\xAF"), 0u);            // too long, in each length
  EXPECT_EQ(right_bytes("\xC1\xBF"), 0u);
  EXPECT_EQ(right_bytes("\xE0\x9F\xBF"), 1u);
  EXPECT_EQ(right_bytes("\xF0\x8F\xBF\xBF"), 1u);
  EXPECT_EQ(right_bytes("\xED\xA0\x80"), 1u);        // a surrogate
  EXPECT_EQ(right_bytes("\xF5\x80\x80\x80"), 0u);
  EXPECT_EQ(right_bytes("\xFE"), 0u);
  EXPECT_EQ(right_bytes("\xE2\x82" "a"), 2u);        // not continued
  EXPECT_EQ(right_bytes("\xE2\x82"), 3u);            // ends too early
}

TEST(Utf8Check, SaysTheSameHoweverTheTextIsSplitAndTheSameAsOfAWhole) {
  std::mt19937 random(20);
  // Bytes at which characters begin, continue and go wrong, among others.
  const std::string bytes = "az09 \x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\xFF";
  const std::string characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "plain ascii that is longer than a few words"};
  int right = 0;
  for (int round = 0; round < 40000; ++round) {
    std::string text;
    const std::size_t parts = random() % 12;
    for (std::size_t i = 0; i < parts; ++i) text += characters[random() % std::size(characters)];
    if (random() % 2 == 0) text.insert(random() % (text.size() + 1), 1, bytes[random() % bytes.size()]);
    if (random() % 4 == 0) text.resize(random() % (text.size() + 1));
    const bool expected = is_utf8(text);
    right += expected ? 1 : 0;
    ASSERT_EQ(is_right(text), expected);
    Utf8Check check;
    bool taken = true;
    for (std::size_t at = 0; taken && at < text.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 40, text.size() - at);
      taken = check.add(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(taken && check.at_character_end(), expected);
  }
  EXPECT_GT(right, 10000);
  EXPECT_LT(right, 30000);
}

TEST(Utf8Check, SeesAWrongByteAtEveryPlaceOfALongText) {
  for (std::size_t at = 0; at < 100; ++at) {
    std::string text(100, 'a');
    text[at] = '\x80';
    Utf8Check check;
    EXPECT_FALSE(check.add(text)) << at;
  }
}

}  // namespace
}  // namespace sluice::websocket
