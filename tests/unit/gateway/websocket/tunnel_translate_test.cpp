// A tunnel whose two WebSockets end at the gateway. What becomes of messages: transcoder_test.cpp.
#include <random>

#include "gateway/websocket/frame_reader.h"
#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/tunnel_fixture.h"
#include "tests/unit/gateway/websocket/zlib_peer.h"

namespace sluice::websocket {
namespace {

using ::testing::EndsWith;

class TerminatedTunnel : public TunnelTest {
 protected:
  TerminatedTunnel() { terminated_ = Terminated{DeflateAgreement{}}; }

  // The payloads of the data frames among these, unmasked, one behind the other.
  static std::string data_of(std::string_view bytes) {
    std::string data;
    FrameReader reader;
    while (!bytes.empty()) {
      const FrameReader::Piece piece = reader.take(bytes);
      EXPECT_TRUE(piece.ends);
      if (reader.is_control()) continue;
      std::string payload(piece.payload.size(), '\0');
      apply_mask(piece.mask, piece.payload.data(), payload.size(), payload.data());
      data += payload;
    }
    return data;
  }
  static std::string deflated(std::string data) {
    return encode({.opcode = Opcode::binary, .payload = PeerDeflater(15, 9).message(std::move(data)), .mask = kMask, .reserved = 0x40});
  }
};

TEST_F(TerminatedTunnel, MakesFramesAnewBothWays) {
  open();
  const std::string sent = from_client(Opcode::text, "hello");
  client_.send(sent);
  upstream_.send(from_upstream(Opcode::text, "there"));
  harness_.settle();
  const std::string at_upstream = upstream_.receive();
  EXPECT_EQ(at_upstream.size(), sent.size());
  EXPECT_NE(at_upstream, sent) << "masked with the client's key";
  EXPECT_EQ(data_of(at_upstream), "hello");
  EXPECT_EQ(client_.receive(), from_upstream(Opcode::text, "there"));
}

TEST_F(TerminatedTunnel, LetsOthersHaveTheirTurnWhileThereIsMuchToTranslate) {
  terminated_ = Terminated{};
  open();
  const std::string all = pattern(190'000);
  upstream_.send(from_upstream(Opcode::binary, all));
  harness_.loop.turn(0ms);
  const std::string first = client_.receive();
  EXPECT_LE(first.size(), 140'000U);
  harness_.settle();
  EXPECT_TRUE(data_of(first + client_.receive()) == all);
}

TEST_F(TerminatedTunnel, ClosesAtOnceAlsoWithinAMessage) {
  open();
  client_.send(from_client(Opcode::text, "a message that is cut").substr(0, 15));
  harness_.settle();
  EXPECT_EQ(data_of(upstream_.receive()), "a message");
  tunnel_->close(1001, "bye", 5s);
  const std::optional<CloseFrame> close = read_close(upstream_.receive());
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1001u);
}

TEST_F(TerminatedTunnel, CountsBytesOnceThatItReadAgain) {
  open();
  const std::string bomb = deflated(std::string(3 << 20, 'x'));
  client_.send(bomb);
  std::string at_upstream;
  ASSERT_TRUE(harness_.run_until([&] {
    at_upstream += upstream_.receive();
    return at_upstream.size() > 3 << 20;
  }));
  harness_.settle();
  at_upstream += upstream_.receive();
  EXPECT_TRUE(data_of(at_upstream) == std::string(3 << 20, 'x'));
  client_.send(client_close(1000));
  harness_.settle();
  upstream_.send(upstream_close(1000));
  client_.close();
  upstream_.close();
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(ending_.summary.to_upstream.bytes, bomb.size() + client_close(1000).size());
  EXPECT_EQ(ending_.summary.to_upstream.messages, 1u);
}

TEST_F(TerminatedTunnel, InflatesNoFurtherThanTheReceiverTakes) {
  open({}, 0, 4096);
  client_.send(deflated(std::string(20 << 20, 'x')));
  harness_.settle();
  EXPECT_LT(harness_.held.held(), 300000u);
}

TEST_F(TerminatedTunnel, AnswersTheLastPingWhenAClientTakesBytesAgain) {
  open({}, 4096, 0);
  // Random, or it would be deflated to next to nothing.
  std::mt19937 random(9);
  std::string data;
  while (data.size() < 40000) data += static_cast<char>(random());
  upstream_.send(from_upstream(Opcode::binary, data));
  harness_.settle();
  for (int i = 0; i < 100; ++i) {
    client_.send(from_client(Opcode::ping, "ping " + std::to_string(i)));
    harness_.settle();
  }
  std::string received;
  EXPECT_TRUE(harness_.run_until([&] {
    received += client_.receive();
    return received.ends_with(from_upstream(Opcode::pong, "ping 99"));
  }));
  EXPECT_THAT(received, EndsWith(from_upstream(Opcode::pong, "ping 99")));
  EXPECT_EQ(received.find("ping 50"), std::string::npos) << "only the last one had to be answered";
}

TEST_F(TerminatedTunnel, NothingFollowsACloseNotEvenAPong) {
  open();
  upstream_.send(upstream_close(1000));
  harness_.settle();
  const std::string close = client_.receive();
  EXPECT_TRUE(read_close(close));
  client_.send(from_client(Opcode::ping, "?"));
  harness_.settle();
  EXPECT_EQ(client_.receive(), "");
}

TEST_F(TerminatedTunnel, NothingFollowsAnEndThatWasPassedOnAndTheOtherWayGoesOn) {
  open();
  upstream_.finish();
  harness_.settle();
  client_.send(from_client(Opcode::ping, "?"));
  harness_.settle();
  client_.send(from_client(Opcode::text, "for whoever still listens"));
  harness_.settle();
  EXPECT_EQ(data_of(upstream_.receive()), "for whoever still listens");
  EXPECT_FALSE(ended());
}

TEST_F(TerminatedTunnel, RefusesWrongTextBeforeACloseInTheSamePiece) {
  open();
  client_.send(from_client(Opcode::text, "fine") + from_client(Opcode::text, "\xFF") + client_close(1000));
  harness_.settle();
  upstream_.send(upstream_close(1001));
  harness_.settle();
  const std::optional<CloseFrame> close = read_close(client_.receive());
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1007u);
  EXPECT_EQ(close->reason, "client: text_not_utf8");
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(ending_.summary.close_code, 1007u);
  EXPECT_EQ(ending_.summary.violation, Violation::text_not_utf8);
}

TEST_F(TunnelTest, TextThatPassesAsItIsIsLookedAtWhereTheRouteAsks) {
  open({.validate_utf8 = true});
  const std::string fine = from_client(Opcode::text, "fine \xE2\x82\xAC") + from_client(Opcode::binary, "\xFF");
  client_.send(fine + from_client(Opcode::text, "\xFF") + from_client(Opcode::text, "behind"));
  const std::optional<CloseFrame> close = receive_close(upstream_, fine);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1001u);
}

TEST_F(TunnelTest, ReceiversOfHalfAFrameWithWrongTextGetNoClose) {
  open({.validate_utf8 = true});
  const std::string text = from_client(Opcode::text, "abcd\xFF" "efgh");
  client_.send(text.substr(0, 9));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), text.substr(0, 9));
  client_.send(text.substr(9));
  ASSERT_TRUE(harness_.run_until([&] { return upstream_.ended(); }));
  EXPECT_EQ(upstream_.receive(), "");
}

}  // namespace
}  // namespace sluice::websocket
