#include "gateway/http1/body_decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "gateway/http1/serializer.h"
#include "tests/unit/gateway/http1/feeding.h"

namespace sluice::http1 {
namespace {

using namespace std::string_literals;
using http::BodyKind;
using E = ParseError;

constexpr http::BodyFraming kChunked{BodyKind::chunked, 0};

FedBody decode_every_way(http::BodyFraming framing, const std::string& bytes,
                         std::size_t max_trailers = kMostTrailerBytes) {
  const FedBody whole = feed_body(framing, bytes, 0, max_trailers);
  for (const std::size_t step : {1, 2, 3, 7}) {
    const FedBody other = feed_body(framing, bytes, step, max_trailers);
    EXPECT_EQ(other.payload, whole.payload) << "step " << step;
    EXPECT_EQ(other.error, whole.error) << "step " << step;
    EXPECT_EQ(other.done, whole.done) << "step " << step;
    EXPECT_EQ(other.trailers, whole.trailers) << "step " << step;
    if (whole.error != E::none) continue;  // how far it then had read says nothing
    EXPECT_EQ(other.consumed, whole.consumed) << "step " << step;
  }
  return whole;
}

TEST(BodyDecoder, NoBodyIsDoneAtOnce) {
  for (const http::BodyFraming framing : {http::BodyFraming{BodyKind::none, 0}, {BodyKind::length, 0}}) {
    const FedBody body = decode_every_way(framing, "next");
    EXPECT_TRUE(body.done);
    EXPECT_EQ(body.consumed, 0U);
    BodyDecoder decoder(framing);
    char data[] = "next";
    EXPECT_EQ(decoder.decode(data, 4).consumed, 0U);
  }
}

TEST(BodyDecoder, Length) {
  const FedBody body = decode_every_way({BodyKind::length, 5}, "helloGET /");
  EXPECT_TRUE(body.done);
  EXPECT_EQ(body.payload, "hello");
  EXPECT_EQ(body.consumed, 5U);
  const FedBody cut = decode_every_way({BodyKind::length, 5}, "hell");
  EXPECT_FALSE(cut.done);
  EXPECT_FALSE(cut.complete_at_end);
  EXPECT_EQ(cut.payload, "hell");
}

TEST(BodyDecoder, UntilClose) {
  const FedBody body = decode_every_way({BodyKind::until_close, 0}, "anything\r\n0\r\n\r\n");
  EXPECT_FALSE(body.done);
  EXPECT_TRUE(body.complete_at_end);
  EXPECT_EQ(body.payload, "anything\r\n0\r\n\r\n");
}

TEST(BodyDecoder, Chunked) {
  const struct {
    std::string bytes;
    std::string_view payload, trailers;
  } cases[] = {
      {"0\r\n\r\n", "", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", ""},
      {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
      {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", ""},
      {"4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", ""},
      {"5;a\r\nhello\r\n0;b\r\n\r\n", "hello", ""},
      {"5;a=b\r\nhello\r\n0;c=\"\"\r\n\r\n", "hello", ""},
      {"5;a=b;c=d;e\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"5;a=\"x y;z=\\\"\\\\\t\xC3\";b\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"5;chunk-signature=0123abcd\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"5;" + std::string(255, 'x') + "\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"0\r\nX: y\r\n\r\n", "", "X: y\n"},
      {"1\r\na\r\n0\r\nX: y\r\nChecksum:\tabc \r\n\r\n", "a", "X: y\nChecksum: abc\n"},
      {"0\r\nContent-Length: 5\r\nhost: a\r\nAUTHORIZATION: b\r\nX: y\r\nTransfer-Encoding: "
       "chunked\r\nCookie: c\r\n"
       "X-Forwarded-For: d\r\nSec-WebSocket-Key: e\r\nX_Y: f\r\nConnection: g\r\n\r\n",
       "", "X: y\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.bytes));
    const FedBody body = decode_every_way(kChunked, c.bytes + "GET / HTTP/1.1");
    EXPECT_EQ(body.error, E::none) << name_of(body.error);
    EXPECT_TRUE(body.done);
    EXPECT_EQ(body.payload, c.payload);
    EXPECT_EQ(body.trailers, c.trailers);
    EXPECT_EQ(body.consumed, c.bytes.size());
  }
}

TEST(BodyDecoder, ChunkedRefusals) {
  const struct {
    std::string bytes;
    ParseError error;
    std::string_view payload = "";
  } cases[] = {
      {"\r\n", E::bad_chunk_size},
      {"\n", E::bad_chunk_size},
      {"g\r\n", E::bad_chunk_size},
      {"-1\r\n", E::bad_chunk_size},
      {"+1\r\n", E::bad_chunk_size},
      {"0x1\r\n", E::bad_chunk_size},
      {" 1\r\n", E::bad_chunk_size},
      {"\t1\r\n", E::bad_chunk_size},
      {"1 \r\n", E::bad_chunk_size},
      {"1 ;a\r\n", E::bad_chunk_size},
      {"1\t\r\n", E::bad_chunk_size},
      {"1_0\r\n", E::bad_chunk_size},
      {"1,2\r\n", E::bad_chunk_size},
      {"1.\r\n", E::bad_chunk_size},
      {"5\0\r\n"s, E::bad_chunk_size},
      {"\xB2\r\n", E::bad_chunk_size},
      {";a\r\n", E::bad_chunk_size},
      {"00000000000000001\r\n", E::bad_chunk_size},
      {"8000000000000000\r\n", E::bad_chunk_size},
      {"ffffffffffffffff\r\n", E::bad_chunk_size},
      {"10000000000000005\r\n", E::bad_chunk_size},
      {"5\nhello\r\n", E::bad_line_end},
      {"5\rhello\r\n", E::bad_line_end},
      {"5;a\nhello\r\n", E::bad_line_end},
      {"5;a\rhello\r\n", E::bad_line_end},
      {"5;a=\"\n\"\r\n", E::bad_line_end},
      {"5;\r\nhello\r\n", E::bad_chunk_extension},
      {"5;;\r\nhello\r\n", E::bad_chunk_extension},
      {"5;a=\r\nhello\r\n", E::bad_chunk_extension},
      {"5;a=;b\r\n", E::bad_chunk_extension},
      {"5;=b\r\n", E::bad_chunk_extension},
      {"5;a=b=c\r\n", E::bad_chunk_extension},
      {"5; a\r\n", E::bad_chunk_extension},
      {"5;a =b\r\n", E::bad_chunk_extension},
      {"5;a\0\r\n"s, E::bad_chunk_extension},
      {"5;a=\"b\r\n", E::bad_chunk_extension},
      {"5;a=\"b\\\r\n", E::bad_chunk_extension},
      {"5;a=\"b\"c\r\n", E::bad_chunk_extension},
      {"5;a=\"\x01\"\r\n", E::bad_chunk_extension},
      {"5;a=b\"c\"\r\n", E::bad_chunk_extension},
      {"5;" + std::string(256, 'x') + "\r\nhello\r\n", E::bad_chunk_extension},
      {"5;a=\"" + std::string(1000, 'x'), E::bad_chunk_extension},
      {"5\r\nhelloX", E::bad_chunk_end, "hello"},
      {"5\r\nhello\n", E::bad_chunk_end, "hello"},
      {"5\r\nhello\rX", E::bad_chunk_end, "hello"},
      {"5\r\nhello0\r\n\r\n", E::bad_chunk_end, "hello"},
      {"1\r\na\r\n\r\n", E::bad_chunk_size, "a"},
      {"0\r\nX\r\n\r\n", E::bad_trailer},
      {"0\r\nX : y\r\n\r\n", E::bad_trailer},
      {"0\r\n X: y\r\n\r\n", E::bad_trailer},
      {"0\r\nX: y\r\n z\r\n\r\n", E::bad_trailer},
      {"0\r\nX: y\n\r\n", E::bad_trailer},
      {"0\r\nX: \0\r\n\r\n"s, E::bad_trailer},
      {"0\r\n\n", E::bad_trailer},
      {"0\r\n\rX", E::bad_trailer},
      {"0\r\nGET / HTTP/1.1\r\n", E::bad_trailer},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.bytes));
    const FedBody body = decode_every_way(kChunked, c.bytes);
    EXPECT_EQ(body.error, c.error) << name_of(body.error);
    EXPECT_EQ(body.payload, c.payload);
    EXPECT_FALSE(body.done);
  }
}

TEST(BodyDecoder, GreatestChunkSize) {
  BodyDecoder decoder(kChunked);
  std::string bytes = "7fffffffffffffff\r\nab";
  const DecodeResult result = decoder.decode(bytes.data(), bytes.size());
  EXPECT_EQ(result.error, E::none);
  EXPECT_EQ(result.payload, 2U);
  EXPECT_EQ(decoder.payload_ahead(), 0x7FFFFFFFFFFFFFFFU - 2);
}

TEST(BodyDecoder, TrailerLimitsHoldAtTheByte) {
  const std::string trailers = "X: yz\r\n\r\n";
  EXPECT_TRUE(decode_every_way(kChunked, "0\r\n" + trailers, trailers.size()).done);
  for (std::size_t max = 0; max < trailers.size(); ++max) {
    EXPECT_EQ(decode_every_way(kChunked, "0\r\n" + trailers, max).error, E::trailers_too_large) << max;
  }
  std::string many = "0\r\n";
  for (int i = 0; i < 100; ++i) many += "X: y\r\n";
  EXPECT_TRUE(decode_every_way(kChunked, many + "\r\n").done);
  EXPECT_EQ(decode_every_way(kChunked, many + "X: y\r\n\r\n").error, E::trailers_too_large);
}

TEST(BodyDecoder, TrailersAreBoundedWhateverTheCallerAllows) {
  const std::string most = "X: " + std::string(kMostTrailerBytes - 7, 'y') + "\r\n\r\n";
  ASSERT_EQ(most.size(), kMostTrailerBytes);
  EXPECT_TRUE(decode_every_way(kChunked, "0\r\n" + most, 64 * 1024).done);
  EXPECT_EQ(decode_every_way(kChunked, "0\r\nX" + most, 64 * 1024).error, E::trailers_too_large);
}

TEST(BodyDecoder, AnEndInsideAChunkedBodyIsNotItsEnd) {
  const std::string bytes = "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const FedBody body = feed_body(kChunked, bytes.substr(0, size), 0);
    EXPECT_EQ(body.error, E::none);
    EXPECT_FALSE(body.done) << size;
    EXPECT_FALSE(body.complete_at_end) << size;
  }
}

TEST(BodyDecoder, PayloadAheadMayPassUnseen) {
  BodyDecoder length({BodyKind::length, 10});
  EXPECT_EQ(length.payload_ahead(), 10U);
  char data[] = "abc";
  length.decode(data, 3);
  EXPECT_EQ(length.payload_ahead(), 7U);
  EXPECT_EQ(BodyDecoder({BodyKind::until_close, 0}).payload_ahead(), 0U);
  BodyDecoder chunked(kChunked);
  char chunk[] = "5\r\nab";
  chunked.decode(chunk, 5);
  EXPECT_EQ(chunked.payload_ahead(), 3U);
  length.pass_unseen(6);
  EXPECT_EQ(length.payload_ahead(), 1U);
  EXPECT_FALSE(length.done());
  EXPECT_EQ(length.decode(data, 3).consumed, 1U);
  EXPECT_TRUE(length.done());
}

TEST(BodyDecoder, TrailersSurviveAMove) {
  std::string bytes = "0\r\nX: y\r\n\r\n";
  BodyDecoder decoder(kChunked);
  decoder.decode(bytes.data(), bytes.size());
  const BodyDecoder moved = std::move(decoder);
  EXPECT_EQ(moved.trailers().find("x"), "y");
}

TEST(BodyDecoder, LeavesWhatFollowsUntouched) {
  std::string bytes = "3\r\nabc\r\n0\r\n\r\nGET /next HTTP/1.1\r\n";
  BodyDecoder decoder(kChunked);
  const DecodeResult result = decoder.decode(bytes.data(), bytes.size());
  EXPECT_EQ(bytes.substr(0, result.payload), "abc");
  EXPECT_EQ(bytes.substr(result.consumed), "GET /next HTTP/1.1\r\n");
}

// Whatever the serializer writes, in whatever pieces it arrives, comes out as it went in.
TEST(BodyDecoder, RoundTripInRandomPieces) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string payload;
    std::string wire;
    for (unsigned chunk = 0; chunk < random() % 8; ++chunk) {
      const std::string data(1 + random() % 40, static_cast<char>(random()));
      char room[kChunkHeadRoom];
      const std::size_t used = write_chunk_head(room, data.size());
      wire.append(room + kChunkHeadRoom - used, used).append(data).append(kChunkEnd);
      payload += data;
    }
    append_last_chunk(wire, {});
    BodyDecoder decoder(kChunked);
    std::string out;
    std::size_t at = 0;
    while (at < wire.size()) {
      std::string piece = wire.substr(at, 1 + random() % 20);
      const DecodeResult result = decoder.decode(piece.data(), piece.size());
      ASSERT_EQ(result.error, E::none);
      ASSERT_LE(result.payload, result.consumed);
      out.append(piece.data(), result.payload);
      at += result.consumed;
    }
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(out, payload);
  }
}

}  // namespace
}  // namespace sluice::http1
