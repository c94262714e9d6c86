#include "gateway/websocket/text_inspection.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

TEST(TextGuard, LetsWholeFramesPassThatAreBeforeTheWrongOne) {
  const std::string fine = encode({.opcode = Opcode::text, .payload = "\xE2\x82\xAC", .mask = 7}) + encode({.opcode = Opcode::binary, .payload = "\xFF"}) +
                           encode({.opcode = Opcode::text, .payload = "\xE2", .fin = false}) + encode({.opcode = Opcode::ping, .payload = "\xFF"});
  TextGuard guard;
  const TextGuard::Verdict verdict = guard.check(fine + encode({.opcode = Opcode::continuation, .payload = "\x82!"}) + fine);
  EXPECT_TRUE(verdict.wrong);
  EXPECT_FALSE(verdict.within_frame);
  EXPECT_EQ(verdict.passable, fine.size());
}

TEST(TextGuard, TellsTheSameHoweverAFrameIsSplit) {
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 6000, 'a');
    const bool wrong = random() % 2 == 0;
    if (wrong) text.insert(random() % (text.size() + 1), random() % 2 == 0 ? "\xFF" : "\xED\xA0\x80");
    const std::string bytes = encode({.opcode = Opcode::text, .payload = text, .mask = static_cast<std::uint32_t>(random())});
    const std::size_t header = bytes.size() - text.size();
    TextGuard guard;
    bool seen = false;
    for (std::size_t at = 0; at < bytes.size() && !seen;) {
      const std::size_t size = std::min<std::size_t>(bytes.size() - at, (at == 0 ? header : 0) + random() % 2000);
      const TextGuard::Verdict verdict = guard.check(std::string_view(bytes).substr(at, size));
      seen = verdict.wrong;
      EXPECT_EQ(verdict.passable, seen ? 0 : size);
      EXPECT_TRUE(!seen || verdict.within_frame == (at > 0));
      at += size;
    }
    ASSERT_EQ(seen, wrong);
  }
}

}  // namespace
}  // namespace sluice::websocket
