#include "gateway/websocket/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/websocket/frame_walker.h"
#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

TEST(FrameHeader, ItsPartsInEveryForm) {
  for (const std::uint64_t length : {0ull, 125ull, 126ull, 65535ull, 65536ull, 1ull << 62}) {
    for (const bool masked : {false, true}) {
      Frame frame{.opcode = Opcode::binary, .fin = length % 2 == 0, .reserved = 0x20};
      if (masked) frame.mask = 0x01020304;
      const std::string bytes = header_of(frame, length);
      const FrameHeader header{reinterpret_cast<const std::uint8_t*>(bytes.data())};
      EXPECT_EQ(header.size(), bytes.size());
      EXPECT_EQ(header.payload(), length);
      EXPECT_EQ(header.opcode(), 2);
      EXPECT_EQ(header.reserved_bits(), 0x20);
      EXPECT_EQ(header.final(), length % 2 == 0);
      EXPECT_EQ(header.masked(), masked);
      EXPECT_FALSE(header.is_control());
      EXPECT_TRUE(header.length_is_shortest());
      if (masked) {
        EXPECT_EQ(header.mask()[3], 4);
      }
    }
  }
}

TEST(FrameHeader, ALengthThatCouldBeShorter) {
  const auto is_shortest = [](int form, std::uint64_t length) {
    const std::string bytes = header_of({.length_form = form}, length);
    return FrameHeader{reinterpret_cast<const std::uint8_t*>(bytes.data())}.length_is_shortest();
  };
  EXPECT_FALSE(is_shortest(16, 125));
  EXPECT_TRUE(is_shortest(16, 126));
  EXPECT_FALSE(is_shortest(64, 0));
  EXPECT_FALSE(is_shortest(64, 65535));
  EXPECT_TRUE(is_shortest(64, 65536));
}

// RFC 6455 7.4.1, 7.4.2 and what the registry has had since.
TEST(CloseCodes, WhichMayBeSent) {
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_TRUE(may_be_sent(static_cast<std::uint16_t>(code))) << code;
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_FALSE(may_be_sent(static_cast<std::uint16_t>(code))) << code;
  }
}

TEST(Utf8, WhatIsAndWhatIsNot) {
  for (const std::string_view text : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                                      "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const std::string_view text : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x7F", "\xC2\xC0", "\xE0\x9F\xBF", "\xE1\x80", "\xED\xA0\x80",
                                      "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xFF"}) {
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
  }
}

TEST(MakeCloseFrame, Unmasked) {
  EXPECT_EQ(make_close_frame(1001, "bye", std::nullopt), std::string("\x88\x05\x03\xE9") + "bye");
}

TEST(MakeCloseFrame, Masked) {
  // 1000 is 03 E8.
  EXPECT_EQ(make_close_frame(1000, "", 0x01020304), "\x88\x82\x01\x02\x03\x04\x02\xEA");
}

TEST(MakeCloseFrame, IsReadBackByTheWalker) {
  for (const std::uint16_t code : {1000, 1001, 1012, 3000, 4999}) {
    const std::string frame = make_close_frame(code, "because", 0xCAFEBABE);
    FrameWalker walker({.masked = true});
    EXPECT_EQ(walker.walk(frame.data(), frame.size()), frame.size());
    EXPECT_EQ(walker.close_code(), code);
  }
}

TEST(MakeCloseFrame, CutsTheReasonBetweenCharacters) {
  EXPECT_EQ(make_close_frame(1000, std::string(200, 'a'), std::nullopt).size(), 2u + 125u);
  // 61 two-byte characters are 122 bytes; the 62nd would end at 124.
  std::string reason;
  for (int i = 0; i < 80; ++i) reason += "\xC3\xA9";
  const std::string frame = make_close_frame(1000, reason, std::nullopt);
  EXPECT_EQ(frame.size(), 2u + 2u + 122u);
  EXPECT_EQ(frame[1], 124);
}

TEST(MakeCloseFrame, ReservedCodesAreNotSent) {
  for (const std::uint16_t code : {1005, 1006, 1015}) {
    EXPECT_EQ(make_close_frame(code, "no", std::nullopt), std::string("\x88\x00", 2));
  }
}

}  // namespace
}  // namespace sluice::websocket
