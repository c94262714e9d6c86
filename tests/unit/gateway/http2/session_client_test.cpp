// The client's side of a session, against the server's: what each tells the other; and against frames by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/gateway/http2/session_fixture.h"

namespace sluice::http2 {
namespace {

namespace h2 = test::h2;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::Pair;

struct ClientEnd {
  ClientEnd() : session({}, events, Role::client) { events.session = &session; }
  std::string produced() {
    std::string out;
    session.produce(out, 1 << 20);
    return out;
  }
  KeptStream& open(const http::Headers& headers, bool with_body = false, std::string_view method = "GET", bool trailers = false) {
    KeptStream& stream = events.streams.emplace_back();
    stream.id = session.next_id();
    opened = session.open({method, "http", "/a?b", headers, trailers}, stream, with_body);
    return stream;
  }

  KeptEvents events;
  Session session;
  bool opened = false;
};

class SessionClientTest : public testing::Test {
 protected:
  void talk() {
    for (bool said = true; said;) {
      const std::string asked = client.produced();
      server.session.feed(asked);
      const std::string answered = server.produced();
      client.session.feed(answered);
      said = !asked.empty() || !answered.empty();
    }
  }
  // Frames of a server by hand; the client's preface and SETTINGS are read.
  void begin(const std::string& frames = h2::settings()) {
    client.produced();
    client.session.feed(frames);
  }
  static http::Headers fields(const h2::Fields& list) {
    http::Headers headers;
    for (const auto& [name, value] : list) headers.add(name, value);
    return headers;
  }

  ServerEnd server;
  ClientEnd client;
};

TEST_F(SessionClientTest, ARequestAndItsAnswer) {
  const http::Headers headers = fields(
      {{"Host", "a.example"}, {"X-Kept", "1"}, {"Connection", "close"}, {"TE", "gzip"}, {"Transfer-Encoding", "chunked"}});
  KeptStream& stream = client.open(headers, true, "POST", true);
  stream.to_send = "body";
  stream.to_end = true;
  stream.to_trail.add("x-sum", "4");
  talk();
  KeptStream& came = server.events.at(1);
  EXPECT_THAT(came.head, ElementsAre(Pair(":method", "POST"), Pair(":scheme", "http"), Pair(":authority", "a.example"),
                                     Pair(":path", "/a?b"), Pair("x-kept", "1"), Pair("te", "trailers")));
  EXPECT_EQ(came.body, "body");
  EXPECT_THAT(came.trailers, ElementsAre(Pair("x-sum", "4")));
  EXPECT_TRUE(came.ended);

  server.session.inform(1, 103, {});
  came.to_send = "answer";
  came.to_end = true;
  came.to_trail.add("x-end", "yes");
  server.session.respond(1, 200, fields({{"X-A", "b"}}), true);
  talk();
  EXPECT_THAT(stream.head, ElementsAre(Pair(":status", "103"), Pair(":status", "200"), Pair("x-a", "b")));
  EXPECT_EQ(stream.body, "answer");
  EXPECT_THAT(stream.trailers, ElementsAre(Pair("x-end", "yes")));
  EXPECT_TRUE(stream.ended && stream.closed);
  EXPECT_EQ(stream.code, Code::no_error);
  EXPECT_EQ(client.session.streams(), 0U);
}

TEST_F(SessionClientTest, RoomIsWhatThePeerAllows) {
  EXPECT_EQ(client.session.room(), 100U);  // before its SETTINGS
  begin(h2::settings({{3, 2}}));
  EXPECT_EQ(client.session.room(), 2U);
  client.open({});
  client.open({});
  EXPECT_EQ(client.session.room(), 0U);
  client.open({});
  EXPECT_FALSE(client.opened);
  client.produced();
  client.session.reset(1, Code::cancel);
  client.produced();
  EXPECT_EQ(client.session.room(), 1U);
}

TEST_F(SessionClientTest, ARequestThatIsTakenBackBeforeItLeft) {
  begin();
  KeptStream& stream = client.open({});
  client.session.reset(stream.id, Code::cancel);
  for (const h2::Frame& frame : h2::split(client.produced())) EXPECT_NE(frame.stream, 1U);
  EXPECT_TRUE(stream.closed);
  EXPECT_EQ(client.session.streams(), 0U);
}

TEST_F(SessionClientTest, ARequestThatThePeerHasNoRoomForIsTakenBackAtOnce) {
  begin();
  KeptStream& first = client.open({});
  client.produced();
  KeptStream& second = client.open({});
  client.session.feed(h2::settings({{3, 1}}));
  EXPECT_FALSE(client.session.take_back(first.id)) << "the peer may have it";
  EXPECT_TRUE(client.session.take_back(second.id));
  EXPECT_EQ(client.session.streams(), 1U);
  client.session.feed(h2::headers(first.id, h2::block({{":status", "200"}})));
  for (const h2::Frame& frame : h2::split(client.produced())) EXPECT_NE(frame.stream, second.id);
  EXPECT_TRUE(first.closed && !second.closed);
  EXPECT_EQ(client.session.streams(), 0U);
}

TEST_F(SessionClientTest, StreamsAboveThoseOfAGoawayAreRefused) {
  begin();
  KeptStream& first = client.open({});
  KeptStream& second = client.open({});
  client.produced();
  KeptStream& third = client.open({});  // has not left
  client.session.feed(h2::goaway(1, 0));
  client.produced();
  EXPECT_FALSE(first.closed);
  EXPECT_TRUE(second.closed && third.closed);
  EXPECT_EQ(second.code, Code::refused_stream);
  EXPECT_EQ(third.code, Code::refused_stream);
  EXPECT_EQ(client.session.room(), 0U);
  EXPECT_TRUE(client.session.is_leaving());
  EXPECT_FALSE(client.session.over());
  client.session.feed(h2::headers(1, h2::block({{":status", "200"}})));
  client.produced();
  EXPECT_TRUE(first.closed && client.session.over());
}

TEST_F(SessionClientTest, AnswersThatAreNone) {
  const h2::Fields wrong[] = {
      {{"x-a", "b"}},
      {{":status", "101"}},
      {{":status", "200"}, {"connection", "close"}},
      {{":status", "2000"}},
      {{":status", "200"}, {"X-A", "b"}},
      {{":status", "103"}},  // ends the stream
  };
  begin();
  for (const h2::Fields& head : wrong) {
    KeptStream& stream = client.open({});
    client.produced();
    client.session.feed(h2::headers(static_cast<std::uint32_t>(stream.id), h2::block(head)));
    client.produced();
    EXPECT_TRUE(stream.closed && !stream.head_done) << head[0].second;
    EXPECT_EQ(stream.code, Code::protocol_error);
    EXPECT_EQ(client.session.fault(), Code::no_error);
  }
}

TEST_F(SessionClientTest, PushesAreRefused) {
  begin();
  KeptStream& stream = client.open({});
  client.produced();
  client.session.feed(h2::frame(h2::kPushPromise, h2::kEndHeaders, 1, h2::number(2, 4) + h2::block(h2::request())));
  client.produced();
  EXPECT_TRUE(stream.head.empty());
  EXPECT_EQ(client.events.streams.size(), 1U);
}

TEST_F(SessionClientTest, AHeadOfTooManyFramesEndsTheConnection) {
  begin();
  client.open({});
  client.produced();
  client.session.feed(h2::headers(1, h2::block({{":status", "200"}}), h2::kNone));
  for (int i = 0; i < 100; ++i) client.session.feed(h2::continuation(1, "", h2::kNone));
  client.produced();
  EXPECT_NE(client.session.fault(), Code::no_error);
}

}  // namespace
}  // namespace sluice::http2
