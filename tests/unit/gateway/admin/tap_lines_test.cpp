#include "gateway/admin/tap_lines.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace sluice::admin {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using websocket::Opcode;
using websocket::TappedFrame;

TappedFrame text(std::string payload) {
  TappedFrame frame;
  frame.time = std::chrono::system_clock::time_point(1'700'000'000'250ms);
  frame.final = true;
  frame.masked = true;
  frame.length = payload.size();
  frame.payload = std::move(payload);
  return frame;
}

Json line_of(const TappedFrame& frame) {
  const std::string line = tap_frame_line(frame);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line, whatever is in it";
  return Json::parse(line);
}

TEST(TapLines, AFrame) {
  EXPECT_EQ(line_of(text("hello")), Json::parse(R"({"event": "frame", "time": "2023-11-14T22:13:20.250Z", "from": "client", "opcode": "text",
    "fin": true, "rsv": 0, "masked": true, "length": 5, "text": "hello"})"));
}

TEST(TapLines, WithoutPayloadThereIsNone) {
  TappedFrame frame = text("hello");
  frame.payload.reset();
  frame.reserved_bits = 0x40;
  frame.compressed = true;
  const Json json = line_of(frame);
  EXPECT_FALSE(json.contains("text") || json.contains("base64") || json.contains("shown"));
  EXPECT_EQ(json["rsv"], 4);
  EXPECT_EQ(json["compressed"], true);
}

TEST(TapLines, WhatIsNoTextIsBase64) {
  EXPECT_EQ(line_of(text("a\xFF"))["base64"], "Yf8=");
  TappedFrame binary = text("abc");
  binary.opcode = Opcode::binary;
  EXPECT_EQ(line_of(binary)["base64"], "YWJj");
  TappedFrame compressed = text("abc");
  compressed.compressed = true;
  EXPECT_EQ(line_of(compressed)["base64"], "YWJj");
  EXPECT_EQ(line_of(text(""))["text"], "");
}

TEST(TapLines, ALineStaysOne) { EXPECT_EQ(line_of(text("a\n\"b\"\x01"))["text"], "a\n\"b\"\x01"); }

TEST(TapLines, WhatIsCutMayEndWithinACharacter) {
  TappedFrame cut = text("abc\xE2\x82");
  cut.length = 5000;
  EXPECT_EQ(line_of(cut)["text"], "abc");
  EXPECT_EQ(line_of(cut)["shown"], 3);
  TappedFrame broken = text("abc\xFF\xFF\xFF\xFF");
  broken.length = 5000;
  EXPECT_EQ(line_of(broken)["shown"], 7);
  EXPECT_TRUE(line_of(broken).contains("base64"));
}

TEST(TapLines, BeginAndEnd) {
  websocket::SocketIdentity::Texts texts;
  texts[static_cast<std::size_t>(websocket::SocketIdentity::Text::route)] = "chat";
  const websocket::SocketIdentity identity(*websocket::SocketId::parse("0123456789abcdef0123456789abcdef"), {}, texts);
  EXPECT_EQ(Json::parse(tap_begin_line(identity, config::Tap::payload)), Json::parse(R"({"event": "begin", "id":
    "0123456789abcdef0123456789abcdef", "route": "chat", "client_ip": "", "endpoint": "", "shows": "payload"})"));
  EXPECT_EQ(Json::parse(tap_missed_line(7)), Json::parse(R"({"event": "missed", "frames": 7})"));
  EXPECT_EQ(tap_end_line("it is over"), "{\"event\":\"end\",\"why\":\"it is over\"}\n");
}

}  // namespace
}  // namespace sluice::admin
