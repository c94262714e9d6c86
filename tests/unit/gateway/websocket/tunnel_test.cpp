// Carrying, and ends that come from the endpoints. Our own Close, idleness and the set:
// tunnel_close_test.cpp.
#include "gateway/websocket/tunnel.h"

#include <fcntl.h>

#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using ::testing::HasSubstr;

// ---- carrying
// ------------------------------------------------------------------------------------------------------

TEST_F(TunnelTest, CarriesBytesAsTheyAreBothWays) {
  open();
  EXPECT_EQ(metrics_.tunnels_open.value(), 1);
  const std::string up = from_client(Opcode::text, "hello") + from_client(Opcode::ping, "p") +
                         from_client(Opcode::binary, pattern(70000));
  const std::string down = from_upstream(Opcode::text, "welcome") + frame(Opcode::text, "a", false, false) +
                           frame(Opcode::continuation, "b", false) + from_upstream(Opcode::pong, "p");
  EXPECT_EQ(carry(client_, upstream_, up), up);
  EXPECT_EQ(carry(upstream_, client_, down), down);
  EXPECT_EQ(metrics_.to_upstream.bytes.value(), up.size());
  EXPECT_EQ(metrics_.to_upstream.frames.value(), 3u);
  EXPECT_EQ(metrics_.to_upstream.messages.value(), 2u);
  EXPECT_EQ(metrics_.to_client.bytes.value(), down.size());
  EXPECT_EQ(metrics_.to_client.frames.value(), 4u);
  EXPECT_EQ(metrics_.to_client.messages.value(), 2u);
  EXPECT_FALSE(ended());
}

TEST_F(TunnelTest, CarriesMebibytesThroughSmallSockets) {
  open({}, 8 * 1024, 8 * 1024);
  const std::string up = from_client(Opcode::binary, pattern(3 * 1024 * 1024));
  EXPECT_TRUE(carry(client_, upstream_, up) == up);
  const std::string down = from_upstream(Opcode::binary, pattern(3 * 1024 * 1024 + 1));
  EXPECT_TRUE(carry(upstream_, client_, down) == down);
}

// Large frames are spliced once one was seen; what comes between them is not.
TEST_F(TunnelTest, CarriesLargeFramesAmongOthers) {
  open();
  const std::string large = from_client(Opcode::binary, pattern(200 * 1024));
  const std::string medium = from_client(Opcode::binary, pattern(FrameWalker::kLargePayload));
  const std::string small = from_client(Opcode::text, "x");
  const std::string ping = from_client(Opcode::ping, "p");
  std::string up;
  for (const std::string& next : {large, large, ping, large, small, small, medium, medium, ping, medium, small, large}) {
    EXPECT_TRUE(carry(client_, upstream_, next) == next);
    up += next;
  }
  EXPECT_TRUE(carry(client_, upstream_, up) == up) << "and all at once";
  EXPECT_EQ(metrics_.to_upstream.bytes.value(), 2 * up.size());
  EXPECT_EQ(metrics_.to_upstream.frames.value(), 24u);
  EXPECT_EQ(metrics_.to_upstream.messages.value(), 20u);
}

// A splice must end where the frame does, or the next header is never seen.
TEST_F(TunnelTest, LargeFramesThatLieBehindEachOther) {
  for (const std::size_t size : {32u * 1024, 40u * 1024, 64u * 1024, 66u * 1024, 100u * 1024, 130u * 1024}) {
    open();
    const std::string large = from_upstream(Opcode::binary, pattern(size));
    const std::uint64_t before = metrics_.to_client.messages.value();
    std::string down;
    for (int i = 0; i < 4; ++i) down += large;
    EXPECT_TRUE(carry(upstream_, client_, down) == down) << size;
    EXPECT_EQ(metrics_.to_client.messages.value() - before, 4u) << size;
    tunnel_->close(1001, "", 5s);
    harness_.settle();
    EXPECT_TRUE(read_close(client_.receive())) << size << ": not on a frame boundary";
    tunnel_->cut();
  }
}

// As when the pipe has no place for more fragments.
TEST_F(TunnelTest, ASpliceThatStopsInTheHeader) {
  open();
  ASSERT_GT(::fcntl(harness_.io.splice_pipe.in(), F_SETPIPE_SZ, 4096), 0);
  const std::string large = from_client(Opcode::binary, pattern(100 * 1024));
  EXPECT_TRUE(carry(client_, upstream_, large) == large);
  for (int i = 0; i < 5; ++i) client_.send(large.substr(static_cast<std::size_t>(i) * 5, 5));
  const std::string rest = large.substr(25);
  const std::string received = carry(client_, upstream_, rest) + receive(upstream_, 0);
  harness_.settle();
  EXPECT_TRUE(received + upstream_.receive() == large);
  EXPECT_EQ(metrics_.to_upstream.frames.value(), 2u);
  EXPECT_EQ(metrics_.to_upstream.bytes.value(), 2 * large.size());
}

TEST_F(TunnelTest, ALargeFrameWhoseHeaderComesInPieces) {
  open();
  const std::string large = from_client(Opcode::binary, pattern(100 * 1024));
  EXPECT_TRUE(carry(client_, upstream_, large) == large);
  for (std::size_t piece = 1; piece < 16; ++piece) {
    client_.send(large.substr(0, piece));
    harness_.settle();
    const std::string begun = upstream_.receive();
    EXPECT_EQ(begun, piece < FrameHeader::kMaxSize ? "" : large.substr(0, piece)) << piece;
    client_.send(large.substr(piece, 20));
    const std::string rest = receive(upstream_, piece + 20 - begun.size());
    EXPECT_TRUE(begun + rest + carry(client_, upstream_, large.substr(piece + 20)) == large) << piece;
  }
  EXPECT_EQ(metrics_.to_upstream.messages.value(), 16u);
}

TEST_F(TunnelTest, CarriesByteByByte) {
  open();
  const std::string up = from_client(Opcode::text, std::string(200, 'x'));
  const std::size_t header = up.size() - 200;
  for (std::size_t i = 0; i < up.size(); ++i) {
    client_.send({&up[i], 1});
    harness_.settle();
    const std::string passed = i + 1 < header ? "" : i + 1 == header ? up.substr(0, header) : std::string(1, up[i]);
    EXPECT_EQ(upstream_.receive(), passed) << i;
  }
  EXPECT_EQ(metrics_.to_upstream.messages.value(), 1u);
}

TEST_F(TunnelTest, BytesThatCameBehindTheHeadsGoFirst) {
  auto [client_stream, client] = harness_.plain_stream();
  auto [upstream_stream, upstream] = harness_.plain_stream();
  client_stream->unread(from_client(Opcode::text, "first"));
  upstream_stream->unread(from_upstream(Opcode::text, "greeting"));
  client.send(from_client(Opcode::text, "second"));
  add(std::move(client_stream), std::move(upstream_stream));
  EXPECT_EQ(upstream.receive(), from_client(Opcode::text, "first") + from_client(Opcode::text, "second"));
  EXPECT_EQ(client.receive(), from_upstream(Opcode::text, "greeting"));
}

TEST_F(TunnelTest, ASlowReceiverHoldsTheSenderBack) {
  open({}, 8 * 1024, 8 * 1024);
  std::string sent = header_of({.opcode = Opcode::binary}, 2 * 1024 * 1024);
  upstream_.send(sent);
  // Until nothing more goes in, however often the loop turns.
  for (int idle = 0; idle < 3;) {
    const std::string bytes = pattern(16 * 1024);
    const std::size_t n = upstream_.send_some(bytes);
    sent += bytes.substr(0, n);
    idle = n == 0 ? idle + 1 : 0;
    harness_.settle();
    ASSERT_LT(sent.size(), 1024u * 1024);
  }
  EXPECT_LE(harness_.held.held(), tls::kScratchSize);
  // The other direction is not held back.
  const std::string up = from_client(Opcode::text, "still here");
  EXPECT_EQ(carry(client_, upstream_, up), up);
  EXPECT_TRUE(receive(client_, sent.size()) == sent);
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(TunnelTest, AClientThatTakesNothingIsCut) {
  auto [client_stream, client] = harness_.plain_stream(8 * 1024);
  auto [upstream_stream, upstream] = harness_.plain_stream(8 * 1024);
  client_stream->set_write_idle(60ms);
  add(std::move(client_stream), std::move(upstream_stream));
  for (int i = 0; i < 20; ++i) {
    upstream.send_some(pattern(16 * 1024));
    harness_.settle();
  }
  ASSERT_TRUE(wait_ended());
  harness_.settle();
  EXPECT_EQ(harness_.held.held(), 0u);
  upstream.receive();
  EXPECT_TRUE(upstream.ended() || upstream.was_reset());
}

// ---- ends
// ----------------------------------------------------------------------------------------------------------

TEST_F(TunnelTest, AnEndGoesOnWhileTheOtherDirectionStaysOpen) {
  open();
  client_.send(from_client(Opcode::text, "last words"));
  client_.finish();
  EXPECT_EQ(receive(upstream_, 1000), from_client(Opcode::text, "last words"));
  EXPECT_TRUE(upstream_.ended());
  EXPECT_FALSE(ended());
  const std::string down = from_upstream(Opcode::binary, pattern(100000));
  EXPECT_EQ(carry(upstream_, client_, down), down);
  upstream_.finish();
  ASSERT_TRUE(wait_ended());
  EXPECT_TRUE(client_.ended());
  EXPECT_EQ(ending_.summary.close_code, 0u);
  EXPECT_EQ(ending_.summary.to_client.bytes, down.size());
}

TEST_F(TunnelTest, TheEndComesAfterBytesThatWaitForASlowClient) {
  open({}, 8 * 1024);
  const std::string down = from_upstream(Opcode::binary, pattern(60000));
  upstream_.send(down);
  harness_.settle();
  EXPECT_GT(harness_.held.held(), 0u);
  upstream_.finish();
  client_.finish();
  harness_.settle();
  EXPECT_EQ(receive(client_, down.size()), down);
  ASSERT_TRUE(wait_ended());
  EXPECT_TRUE(client_.ended());
}

TEST_F(TunnelTest, TheEndpointsCloseEachOtherWithoutUs) {
  open();
  client_.send(client_close(4001));
  EXPECT_EQ(receive(upstream_, client_close(4001).size()), client_close(4001));
  EXPECT_FALSE(ended());
  upstream_.send(upstream_close(4001));
  EXPECT_EQ(receive(client_, upstream_close(4001).size()), upstream_close(4001));
  harness_.settle();
  EXPECT_FALSE(ended()) << "the connections end when the endpoints end them";
  upstream_.finish();
  EXPECT_TRUE(harness_.run_until([&] { return client_.ended(); }));
  client_.finish();
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(ending_.summary.close_code, 4001u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::client);
  EXPECT_THAT(harness_.registry.scrape(),
              HasSubstr(R"(sluice_websocket_closes_total{code="4xxx",initiator="client",route="chat"} 1)"));
}

TEST_F(TunnelTest, TheFirstCloseNamesTheInitiator) {
  open();
  upstream_.send(upstream_close(1011));
  harness_.settle();
  client_.send(client_close(1000));
  harness_.settle();
  client_.finish();
  upstream_.finish();
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(ending_.summary.close_code, 1011u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::upstream);
}

// RFC 6455 5.5.1: nothing follows a Close.
TEST_F(TunnelTest, NothingPassesBehindAClose) {
  open();
  client_.send(from_client(Opcode::text, "x") + client_close(1000) + from_client(Opcode::text, "too late"));
  harness_.settle();
  client_.send(from_client(Opcode::text, "later still"));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), from_client(Opcode::text, "x") + client_close(1000));
}

TEST_F(TunnelTest, AResetEndsBothSides) {
  auto [client_stream, client] = harness_.tcp_stream();
  auto [upstream_stream, upstream] = harness_.tcp_stream();
  add(std::move(client_stream), std::move(upstream_stream));
  client.reset();
  ASSERT_TRUE(wait_ended());
  EXPECT_TRUE(harness_.run_until([&] { return upstream.ended() || upstream.was_reset(); }));
  EXPECT_EQ(metrics_.tunnels_open.value(), 0);
  EXPECT_TRUE(set_.empty());
}

TEST_F(TunnelTest, CutEndsItAtOnce) {
  open();
  tunnel_->cut();
  EXPECT_EQ(ending_.told, 1);
  EXPECT_TRUE(ending_.observer_gone);
  EXPECT_TRUE(client_.ended());
  EXPECT_TRUE(upstream_.ended());
  EXPECT_TRUE(set_.empty());
  EXPECT_EQ(metrics_.tunnels_open.value(), 0);
  harness_.settle();
  EXPECT_EQ(ending_.told, 1);
}

TEST_F(TunnelTest, TheSummaryHasTheFigures) {
  open();
  client_.send(from_client(Opcode::text, "hello") + from_client(Opcode::ping, ""));
  upstream_.send(from_upstream(Opcode::binary, "abc"));
  harness_.settle();
  tunnel_->cut();
  EXPECT_EQ(ending_.summary.to_upstream.frames, 2u);
  EXPECT_EQ(ending_.summary.to_upstream.messages, 1u);
  EXPECT_EQ(ending_.summary.to_upstream.bytes, from_client(Opcode::text, "hello").size() + 6);
  EXPECT_EQ(ending_.summary.to_client.frames, 1u);
  EXPECT_EQ(ending_.summary.to_client.bytes, 5u);
  EXPECT_EQ(ending_.summary.close_code, 0u);
  EXPECT_THAT(harness_.registry.scrape(),
              HasSubstr(R"(sluice_websocket_closes_total{code="none",initiator="gateway",route="chat"} 1)"));
}

}  // namespace
}  // namespace sluice::websocket
