// What frames may not be (RFC 6455 5 and 7.4, RFC 7692 6), and how large.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/websocket/frame_close_code.h"
#include "gateway/websocket/frame_walker.h"
#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

constexpr std::uint8_t kRsv1 = 0x40, kRsv2 = 0x20, kRsv3 = 0x10;

struct Case {
  std::string_view what;
  std::string bytes;
  Violation violation;
  FrameRules rules = {};
};

std::string fragment(Opcode opcode, bool last = false) { return encode({.opcode = opcode, .payload = "part", .fin = last}); }
std::string close_with(std::string payload) { return encode({.opcode = Opcode::close, .payload = std::move(payload)}); }
Opcode opcode(int number) { return static_cast<Opcode>(number); }

std::vector<Case> cases() {
  const Frame masked{.payload = "a", .mask = 3};
  const FrameRules from_client{.masked = true};
  const FrameRules deflate{.reserved_bits = kRsv1};
  const FrameRules unknown_extension{.any_reserved_bits = true};
  std::vector<Case> all{
      {"5.1 a client that does not mask", encode({.payload = "a"}), Violation::unmasked, from_client},
      {"5.1 a client that does not mask its Ping", encode({.opcode = Opcode::ping}), Violation::unmasked, from_client},
      {"5.1 a client that does not mask its Close", close_with(close_payload(1000)), Violation::unmasked, from_client},
      {"5.1 a client that masks", encode(masked), Violation::none, from_client},
      {"5.1 a server that masks", encode(masked), Violation::masked},
      {"5.2 RSV1", encode({.payload = "a", .reserved = kRsv1}), Violation::reserved_bits},
      {"5.2 RSV2", encode({.payload = "a", .reserved = kRsv2}), Violation::reserved_bits},
      {"5.2 RSV3 in a Ping", encode({.opcode = Opcode::ping, .reserved = kRsv3}), Violation::reserved_bits},
      {"RFC 7692 6.1 RSV1 in the first frame", encode({.payload = "a", .reserved = kRsv1}), Violation::none, deflate},
      {"RFC 7692 6.1 RSV1 in a later frame", fragment(Opcode::text) + encode({.opcode = Opcode::continuation, .reserved = kRsv1}),
       Violation::reserved_bits, deflate},
      {"RFC 7692 6.1 RSV1 in a control frame", encode({.opcode = Opcode::ping, .reserved = kRsv1}), Violation::reserved_bits, deflate},
      {"RFC 7692 6 RSV2 beside it", encode({.payload = "a", .reserved = kRsv1 | kRsv2}), Violation::reserved_bits, deflate},
      {"5.2 an extension that nobody here knows", encode({.opcode = Opcode::ping, .reserved = kRsv2 | kRsv3}), Violation::none, unknown_extension},
      {"5.2 125 in 16 bits", encode({.payload = std::string(125, 'x'), .length_form = 16}), Violation::long_length},
      {"5.2 0 in 64 bits", encode({.length_form = 64}), Violation::long_length},
      {"5.2 65535 in 64 bits", header_of({.length_form = 64}, 65535), Violation::long_length},
      {"5.2 65536 in 64 bits", header_of({}, 65536), Violation::none},
      {"5.2 the highest length", header_of({}, 0x7FFFFFFFFFFFFFFF), Violation::none},
      {"5.2 one more", header_of({}, 0x8000000000000000), Violation::impossible_length},
      {"5.5 a Ping of 126 bytes", encode({.opcode = Opcode::ping, .payload = std::string(126, 'p')}), Violation::control_too_long},
      {"5.5 a Pong of 70000 bytes", header_of({.opcode = Opcode::pong}, 70000), Violation::control_too_long},
      {"5.5 a Close of 126 bytes", close_with(close_payload(1000, std::string(124, 'r'))), Violation::control_too_long},
      {"5.5 a Ping of 125 bytes", encode({.opcode = Opcode::ping, .payload = std::string(125, 'p')}), Violation::none},
      {"5.5 a fragmented Ping", encode({.opcode = Opcode::ping, .fin = false}), Violation::control_fragmented},
      {"5.5 a fragmented Close", encode({.opcode = Opcode::close, .fin = false}), Violation::control_fragmented},
      {"5.4 a continuation of nothing", fragment(Opcode::continuation), Violation::unexpected_continuation},
      {"5.4 a last one of nothing", fragment(Opcode::continuation, true), Violation::unexpected_continuation},
      {"5.4 a continuation behind a whole message", fragment(Opcode::text, true) + fragment(Opcode::continuation, true),
       Violation::unexpected_continuation},
      {"5.4 a text within a message", fragment(Opcode::text) + fragment(Opcode::text, true), Violation::missing_continuation},
      {"5.4 a binary within a text", fragment(Opcode::text) + fragment(Opcode::binary), Violation::missing_continuation},
      {"5.4 control frames within a message",
       fragment(Opcode::binary) + encode({.opcode = Opcode::ping}) + fragment(Opcode::continuation) + encode({.opcode = Opcode::pong}) +
           fragment(Opcode::continuation, true),
       Violation::none},
      {"5.5.1 a Close within a message", fragment(Opcode::binary) + close_with(close_payload(1000)), Violation::none},
      {"5.5.1 a Close of one byte", close_with("\x03"), Violation::close_payload},
      {"5.5.1 a Close without payload", close_with(""), Violation::none},
      {"5.5.1 a Close with the longest reason", close_with(close_payload(1000, std::string(123, 'r'))), Violation::none},
      {"5.5.1 a reason in UTF-8", close_with(close_payload(1000, "\xC3\xA9")), Violation::none},
      {"5.5.1 a reason that is not", close_with(close_payload(1000, "\xC3")), Violation::close_reason},
      {"7.4 a code that is not to be sent", close_with(close_payload(1005)), Violation::close_code},
      {"7.4 a code below all", close_with(close_payload(999)), Violation::close_code},
      {"7.4 a code that nobody has defined", close_with(close_payload(2999)), Violation::close_code},
      {"7.4 a code of an application", close_with(close_payload(4999)), Violation::none},
  };
  for (const int number : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    all.push_back({"5.2 a reserved opcode", encode({.opcode = opcode(number), .payload = "x"}), Violation::reserved_opcode});
  }
  return all;
}

std::size_t last_frame(const Case& one) {
  FrameWalker walker(one.rules);
  return walker.walk(one.bytes.data(), one.bytes.size());
}

TEST(FrameRules, EachCaseOfTheRfc) {
  for (const Case& one : cases()) {
    FrameWalker walker(one.rules);
    const std::size_t passed = walker.walk(one.bytes.data(), one.bytes.size());
    EXPECT_EQ(walker.violation(), one.violation) << one.what;
    EXPECT_TRUE(one.violation == Violation::none ? passed == one.bytes.size() : passed < one.bytes.size()) << one.what;
  }
}

// Not a byte of the frame passes, however it comes.
TEST(FrameRules, EachCaseByteByByte) {
  for (const Case& one : cases()) {
    FrameWalker walker(one.rules);
    std::string held;
    std::size_t passed = 0;
    for (const char byte : one.bytes) {
      held += byte;
      const std::size_t walked = walker.walk(held.data(), held.size());
      held.erase(0, walked);
      passed += walked;
      if (walker.violation() != Violation::none) break;
    }
    EXPECT_EQ(walker.violation(), one.violation) << one.what;
    EXPECT_EQ(passed, last_frame(one)) << one.what;
  }
}

TEST(FrameRules, BehindAViolationOnlyACloseIsLookedFor) {
  FrameWalker walker;
  const std::string bad = encode({.opcode = opcode(3), .payload = std::string(300, 'x')});
  ASSERT_EQ(walker.walk(bad.data(), bad.size()), 0u);
  ASSERT_EQ(walker.violation(), Violation::reserved_opcode);
  const std::string more = bad + encode({.payload = "masked now", .mask = 4}) + encode({.opcode = Opcode::ping, .fin = false});
  EXPECT_EQ(walker.walk(more.data(), more.size()), more.size());
  EXPECT_FALSE(walker.close_seen());
  const std::string close = close_with("?") + "behind";
  walker.walk(close.data(), close.size());
  EXPECT_TRUE(walker.close_seen());
  EXPECT_EQ(walker.violation(), Violation::reserved_opcode) << "the first one";
}

TEST(FrameRules, SizesAreJudgedByTheHeaderAlone) {
  const auto judged = [](FrameRules rules, const std::string& bytes) {
    FrameWalker walker(rules);
    walker.walk(bytes.data(), bytes.size());
    return walker.violation();
  };
  EXPECT_EQ(judged({.max_frame = 100}, header_of({}, 100)), Violation::none);
  EXPECT_EQ(judged({.max_frame = 100}, header_of({}, 101)), Violation::frame_too_big);
  EXPECT_EQ(judged({.max_message = 70000}, header_of({}, 70000)), Violation::none);
  EXPECT_EQ(judged({.max_message = 70000}, header_of({}, 70001)), Violation::message_too_big);
  EXPECT_EQ(judged({.max_frame = 10}, encode({.opcode = Opcode::ping, .payload = std::string(125, 'p')})), Violation::none) << "of data";
}

TEST(FrameRules, AMessageIsTheSumOfItsFragments) {
  FrameWalker walker({.max_message = 10});
  const std::string fine = fragment(Opcode::text) + encode({.opcode = Opcode::ping, .payload = "not counted"}) +
                           fragment(Opcode::continuation) + encode({.opcode = Opcode::continuation, .payload = "xx"});
  const std::string next = fragment(Opcode::binary) + fragment(Opcode::continuation);
  for (const std::string& bytes : {fine, fine, next}) {
    EXPECT_EQ(walker.walk(bytes.data(), bytes.size()), bytes.size());
    EXPECT_EQ(walker.violation(), Violation::none);
  }
  const std::string over = header_of({.opcode = Opcode::continuation}, 3);
  EXPECT_EQ(walker.walk(over.data(), over.size()), 0u);
  EXPECT_EQ(walker.violation(), Violation::message_too_big);
}

TEST(FrameRules, TheSumDoesNotWrap) {
  FrameWalker walker({.max_message = 10});
  const std::string first = fragment(Opcode::text);
  ASSERT_EQ(walker.walk(first.data(), first.size()), first.size());
  const std::string over = header_of({.opcode = Opcode::continuation}, 0x7FFFFFFFFFFFFFFF);
  EXPECT_EQ(walker.walk(over.data(), over.size()), 0u);
  EXPECT_EQ(walker.violation(), Violation::message_too_big);
}

TEST(FrameRules, WhatIsObservedPassesAndIsToldOfOnce) {
  FrameWalker walker({.max_frame = 3, .max_message = 6, .observe = true});
  const std::string first = fragment(Opcode::text);
  EXPECT_EQ(walker.walk(first.data(), first.size()), first.size());
  EXPECT_EQ(walker.take_observed().frames, 1u);
  EXPECT_EQ(walker.take_observed().frames, 0u);
  const std::string second = encode({.opcode = Opcode::continuation, .payload = "pqr", .fin = false});
  EXPECT_EQ(walker.walk(second.data(), second.size()), second.size());
  EXPECT_EQ(walker.take_observed().messages, 1u);
  EXPECT_EQ(walker.walk(second.data(), second.size()), second.size());
  EXPECT_EQ(walker.take_observed().messages, 0u) << "of one message, once";
  EXPECT_EQ(walker.violation(), Violation::none);
  const std::string bad = encode({.opcode = opcode(3)});
  EXPECT_EQ(walker.walk(bad.data(), bad.size()), 0u) << "the protocol is kept all the same";
}

TEST(FrameRules, WhatIsSaidToTheSender) {
  EXPECT_EQ(close_code_for(Violation::reserved_bits), 1002);
  EXPECT_EQ(close_code_for(Violation::close_code), 1002);
  EXPECT_EQ(close_code_for(Violation::close_reason), 1007);
  EXPECT_EQ(close_code_for(Violation::frame_too_big), 1009);
  EXPECT_EQ(close_code_for(Violation::message_too_big), 1009);
}

}  // namespace
}  // namespace sluice::websocket
