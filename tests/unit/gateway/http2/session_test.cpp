// A session with a client that behaves: what each tells the other, and when.
#include "gateway/http2/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/h2_peer.h"
#include "tests/unit/gateway/http2/session_fixture.h"

namespace sluice::http2 {
namespace {

using test::H2Peer;
using test::h2::Fields;
using test::h2::request;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class SessionTest : public testing::Test {
 protected:
  // Until both sides have said everything.
  void talk() {
    for (bool said = true; said;) {
      const std::string asked = client.out();
      server.session.feed(asked);
      const std::string answered = server.produced();
      client.in(answered);
      said = !asked.empty() || !answered.empty();
    }
  }
  KeptStream& came(StreamId id) { return server.events.at(id); }
  void answer_with(StreamId id, std::string body, const http::Headers& trailers = {}) {
    KeptStream& stream = came(id);
    stream.to_send = std::move(body);
    stream.to_end = true;
    for (const http::Field& field : trailers) stream.to_trail.add(field.name, field.value);
    server.session.respond(id, 200, {}, true);
  }

  ServerEnd server;
  H2Peer client;
};

http::Headers headers_of(const Fields& fields) {
  http::Headers headers;
  for (const auto& [name, value] : fields) headers.add(name, value);
  return headers;
}

TEST_F(SessionTest, AnnouncesItsSettings) {
  talk();
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 128u);
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), 65536u);
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES), 1u);
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL), 1u);
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE), Session::kStreamWindow);
  EXPECT_EQ(client.setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE), Session::kFrameSize);
  EXPECT_EQ(server.events.settings, 1);
}

TEST_F(SessionTest, TellsOfARequest) {
  const auto id = client.ask(request("GET", {{"x-one", "1"}, {"x-two", ""}}));
  talk();
  EXPECT_THAT(came(id).head,
              ElementsAre(Pair(":method", "GET"), Pair(":scheme", "https"), Pair(":path", "/"),
                          Pair(":authority", "a.example"), Pair("x-one", "1"), Pair("x-two", "")));
  EXPECT_TRUE(came(id).head_done && came(id).ended);
  EXPECT_FALSE(came(id).closed);
  EXPECT_EQ(server.session.streams(), 1u);
}

TEST_F(SessionTest, AnswersWithoutABody) {
  const auto id = client.ask(request("HEAD"));
  talk();
  server.session.respond(id, 204, headers_of({{"X-Name", "Value"}}), false);
  talk();
  EXPECT_THAT(client.answer(id).heads,
              ElementsAre(ElementsAre(Pair(":status", "204"), Pair("x-name", "Value"))));
  EXPECT_EQ(client.answer(id).closed, 0u);
  EXPECT_TRUE(came(id).closed);
  EXPECT_EQ(came(id).code, Code::no_error);
  EXPECT_EQ(server.session.streams(), 0u);
}

TEST_F(SessionTest, LeavesOutFieldsOfOneConnection) {
  const auto id = client.ask(request());
  talk();
  server.session.respond(id, 200,
                         headers_of({{"Connection", "close"},
                                     {"Keep-Alive", "timeout=1"},
                                     {"Proxy-Connection", "close"},
                                     {"Transfer-Encoding", "chunked"},
                                     {"Upgrade", "websocket"},
                                     {"HTTP2-Settings", "AAMA"},
                                     {"Via", "1.1 a"}}),
                         false);
  talk();
  EXPECT_THAT(client.answer(id).heads,
              ElementsAre(ElementsAre(Pair(":status", "200"), Pair("via", "1.1 a"))));
}

TEST_F(SessionTest, KeepsItsCopyOfAResponse) {
  const auto id = client.ask(request());
  talk();
  {
    std::string value(100, 'a');
    http::Headers headers;
    headers.add_view("x", value);
    server.session.respond(id, 200, headers, false);
    value.assign(100, 'b');
  }
  talk();
  EXPECT_THAT(client.answer(id).heads,
              ElementsAre(ElementsAre(Pair(":status", "200"), Pair("x", std::string(100, 'a')))));
}

TEST_F(SessionTest, SendsInterimAnswersFirst) {
  const auto id = client.ask(request("POST"), true);
  talk();
  server.session.inform(id, 100, {});
  server.session.inform(id, 103, headers_of({{"link", "</a>"}}));
  answer_with(id, "done");
  client.end(id);
  talk();
  EXPECT_THAT(client.answer(id).heads, ElementsAre(ElementsAre(Pair(":status", "100")),
                                                   ElementsAre(Pair(":status", "103"), Pair("link", "</a>")),
                                                   ElementsAre(Pair(":status", "200"))));
  EXPECT_EQ(client.answer(id).body, "done");
  EXPECT_EQ(client.answer(id).closed, 0u);
}

TEST_F(SessionTest, CarriesBodiesBothWays) {
  const std::string large(300 * 1024, 'x');
  const auto id = client.ask(request("POST"), true);
  client.send(id, large);
  client.end(id);
  talk();
  EXPECT_EQ(came(id).body, large);
  EXPECT_TRUE(came(id).ended);
  answer_with(id, large);
  talk();
  EXPECT_EQ(client.answer(id).body, large);
  EXPECT_EQ(client.answer(id).closed, 0u);
}

TEST_F(SessionTest, SendsABodyAsItComes) {
  const auto id = client.ask(request());
  talk();
  server.session.respond(id, 200, {}, true);
  talk();
  EXPECT_EQ(client.answer(id).heads.size(), 1u);  // the head waits for no byte of the body
  came(id).to_send = "one";
  server.session.resume(id);
  talk();
  EXPECT_EQ(client.answer(id).body, "one");
  EXPECT_FALSE(client.answer(id).ended);
  came(id).to_end = true;
  server.session.resume(id);
  talk();
  EXPECT_TRUE(client.answer(id).ended);
}

TEST_F(SessionTest, CarriesTrailersBothWays) {
  const auto id = client.ask(request("POST"), true);
  client.send(id, "body");
  client.end(id, {{"x-sum", "1"}});
  talk();
  EXPECT_THAT(came(id).trailers, ElementsAre(Pair("x-sum", "1")));
  EXPECT_TRUE(came(id).trailers_done && came(id).ended);
  answer_with(id, "answer", headers_of({{"X-Sum", "2"}, {"Connection", "close"}}));
  talk();
  EXPECT_THAT(client.answer(id).heads,
              ElementsAre(ElementsAre(Pair(":status", "200")), ElementsAre(Pair("x-sum", "2"))));
  EXPECT_EQ(client.answer(id).body, "answer");
  EXPECT_EQ(client.answer(id).closed, 0u);
}

TEST_F(SessionTest, SendsTrailersBehindNoBody) {
  const auto id = client.ask(request());
  talk();
  answer_with(id, "", headers_of({{"grpc-status", "0"}}));
  const auto frames = server.frames();
  ASSERT_EQ(frames.size(), 2u);  // no empty DATA between them
  EXPECT_EQ(frames[0].type, test::h2::kHeaders);
  EXPECT_EQ(frames[1].type, test::h2::kHeaders);
  EXPECT_EQ(frames[1].flags, test::h2::kWhole);
  EXPECT_TRUE(came(id).closed);
}

TEST_F(SessionTest, EndsABodyThatTurnsOutEmpty) {
  const auto id = client.ask(request());
  talk();
  answer_with(id, "");
  talk();
  EXPECT_EQ(client.answer(id).closed, 0u);
  EXPECT_EQ(client.answer(id).body, "");
}

TEST_F(SessionTest, GivesUpAStreamOverOneField) {
  server.events.refused_field = "x-too-much";
  const auto first = client.ask(request("GET", {{"x-too-much", "1"}, {"x-more", "2"}}));
  const auto second = client.ask(request("GET", {{"x-more", "2"}}));
  talk();
  EXPECT_EQ(client.answer(first).closed, static_cast<std::uint32_t>(Code::enhance_your_calm));
  EXPECT_FALSE(came(first).head_done);
  EXPECT_TRUE(came(first).closed);
  EXPECT_FALSE(came(first).by_peer);
  EXPECT_EQ(came(first).code, Code::enhance_your_calm);
  EXPECT_TRUE(came(second).head_done);  // whose x-more was put into the table by the first
}

TEST_F(SessionTest, RefusesAStream) {
  server.events.refuse = true;
  const auto id = client.ask(request("POST"), true);
  client.send(id, "body");
  client.end(id, {{"x-sum", "1"}});
  talk();
  EXPECT_EQ(client.answer(id).closed, static_cast<std::uint32_t>(Code::refused_stream));
  EXPECT_THAT(server.events.streams, IsEmpty());
  EXPECT_EQ(server.session.streams(), 0u);
  EXPECT_THAT(client.went_away, IsEmpty());
}

TEST_F(SessionTest, TellsWhoResetAStream) {
  const auto by_client = client.ask(request("POST"), true);
  const auto by_server = client.ask(request("POST"), true);
  talk();
  client.reset(by_client, NGHTTP2_CANCEL);
  server.session.reset(by_server, Code::internal_error);
  talk();
  EXPECT_TRUE(came(by_client).closed && came(by_client).by_peer);
  EXPECT_EQ(came(by_client).code, Code::cancel);
  EXPECT_TRUE(came(by_server).closed && !came(by_server).by_peer);
  EXPECT_EQ(came(by_server).code, Code::internal_error);
  EXPECT_EQ(client.answer(by_server).closed, static_cast<std::uint32_t>(Code::internal_error));
}

TEST_F(SessionTest, IsSilentAboutStreamsThatAreGone) {
  const auto id = client.ask(request());
  talk();
  client.reset(id, NGHTTP2_CANCEL);
  talk();
  server.session.inform(id, 103, {});
  server.session.respond(id, 200, {}, true);
  server.session.resume(id);
  server.session.consumed(id, 10);
  server.session.make_incremental(id);
  server.session.reset(id, Code::cancel);
  EXPECT_EQ(server.produced(), "");
  EXPECT_FALSE(server.session.over());
}

TEST_F(SessionTest, EndsAStreamBeforeItsRequestHasCome) {
  const auto id = client.ask(request("POST"), true);
  talk();
  answer_with(id, "too large");
  const std::string answered = server.produced();
  server.session.reset(id, Code::no_error);
  client.send(id, "late");
  client.end(id, {{"x-sum", "1"}});
  server.session.feed(client.out());  // it was under way
  client.in(answered + server.produced());
  EXPECT_EQ(client.answer(id).body, "too large");
  EXPECT_EQ(client.answer(id).closed, 0u);
  EXPECT_FALSE(server.session.over());
  EXPECT_EQ(came(id).body, "");
  EXPECT_TRUE(came(id).closed && !came(id).by_peer);
}

TEST_F(SessionTest, AResetTakesAWaitingAnswerBack) {
  const auto id = client.ask(request());
  talk();
  answer_with(id, "answer");
  server.session.reset(id, Code::internal_error);
  talk();
  EXPECT_TRUE(client.answer(id).heads.empty());
  EXPECT_EQ(client.answer(id).closed, static_cast<std::uint32_t>(Code::internal_error));
}

TEST_F(SessionTest, ResetsAStreamWhoseHeadIsTooLarge) {
  const auto id = client.ask(request());
  talk();
  server.session.respond(id, 200, headers_of({{"x", std::string(70 * 1024, 'a')}}), false);
  talk();
  EXPECT_EQ(client.answer(id).closed, static_cast<std::uint32_t>(Code::internal_error));
  EXPECT_TRUE(came(id).closed);
  EXPECT_FALSE(server.session.over());
}

TEST_F(SessionTest, KnowsWhenABodyIsNotAsLongAsItSaid) {
  const auto id = client.ask(request("POST", {{"content-length", "10"}}), true);
  client.send(id, "12345");
  talk();
  EXPECT_EQ(came(id).body, "12345");
  client.end(id);
  talk();
  EXPECT_FALSE(came(id).ended);
  EXPECT_TRUE(came(id).closed && !came(id).by_peer);
  EXPECT_EQ(came(id).code, Code::protocol_error);
}

TEST_F(SessionTest, AsksForPongs) {
  server.session.ping(0x0123456789ABCDEF);
  talk();
  EXPECT_THAT(server.events.pongs, ElementsAre(0x0123456789ABCDEFU));
}

// Leaving.

TEST_F(SessionTest, LeavesInPeaceInTwoSteps) {
  const auto first = client.ask(request());
  talk();
  server.session.announce_shutdown(7);
  const std::string notice = server.produced();
  const auto crossing = client.ask(request());  // it has not seen the notice
  server.session.feed(client.out());
  client.in(notice + server.produced());
  EXPECT_THAT(client.went_away, ElementsAre(Pair(0x7FFFFFFF, 0u)));
  EXPECT_TRUE(came(crossing).head_done);

  server.session.go_away();
  talk();
  EXPECT_THAT(client.went_away, ElementsAre(Pair(0x7FFFFFFF, 0u), Pair(crossing, 0u)));
  EXPECT_FALSE(server.session.over());
  answer_with(first, "one");
  talk();
  EXPECT_FALSE(server.session.over());
  answer_with(crossing, "two");
  talk();
  EXPECT_TRUE(server.session.over());
  EXPECT_EQ(server.session.fault(), Code::no_error);
  EXPECT_EQ(client.answer(first).body + client.answer(crossing).body, "onetwo");
}

TEST_F(SessionTest, IgnoresRequestsBehindItsGoaway) {
  const auto first = client.ask(request());
  talk();
  server.session.go_away();
  const std::string goaway = server.produced();
  const auto late = client.ask(request("POST"), true);
  client.send(late, "body");
  client.end(late, {{"x-sum", "1"}});
  server.session.feed(client.out());
  EXPECT_EQ(server.produced(), "");  // no complaint about its trailers either
  client.in(goaway);
  EXPECT_EQ(client.answer(late).closed, static_cast<std::uint32_t>(Code::refused_stream));
  answer_with(first, "one");
  talk();
  EXPECT_EQ(client.answer(first).body, "one");
  EXPECT_TRUE(server.session.over());
}

TEST_F(SessionTest, IsOverAtOnceWhenNothingIsOpen) {
  talk();
  server.session.go_away();
  EXPECT_FALSE(server.session.over());
  talk();
  EXPECT_TRUE(server.session.over());
}

TEST_F(SessionTest, EndsWithAnError) {
  const auto id = client.ask(request());
  talk();
  server.session.fail(Code::enhance_your_calm);
  EXPECT_FALSE(server.session.over());
  client.in(server.produced());
  EXPECT_THAT(client.went_away, ElementsAre(Pair(id, static_cast<std::uint32_t>(Code::enhance_your_calm))));
  EXPECT_TRUE(server.session.over());
  EXPECT_EQ(server.session.fault(), Code::enhance_your_calm);
  EXPECT_FALSE(came(id).closed);  // it is lost: whoever owns the session knows which are
}

TEST_F(SessionTest, EndsWhenMemoryDoes) {
  server.events.starving_field = "x-starving";
  const auto id = client.ask(request("GET", {{"x-starving", "1"}}));
  server.session.feed(client.out());
  const auto frames = server.frames();
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().payload, test::h2::goaway(static_cast<std::uint32_t>(id), 2).substr(9));
  EXPECT_TRUE(server.session.over());
  EXPECT_EQ(server.session.fault(), Code::internal_error);
  server.session.respond(id, 200, {}, false);  // which is asked for nothing any more
  server.session.go_away();
  EXPECT_EQ(server.produced(), "");
}

TEST_F(SessionTest, LeavesNoHalfOfAFrameWhenMemoryEnds) {
  const auto id = client.ask(request());
  talk();
  answer_with(id, "answer");
  server.events.starves = true;
  const auto frames = server.frames();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].type, test::h2::kHeaders);
  EXPECT_EQ(frames[1].type, test::h2::kGoaway);
  EXPECT_EQ(server.session.fault(), Code::internal_error);
}

TEST_F(SessionTest, TellsThatTheClientLeaves) {
  server.session.feed(client.out() + test::h2::goaway(0, 0));
  EXPECT_THAT(server.events.away, ElementsAre(Code::no_error));
  server.produced();
  EXPECT_TRUE(server.session.over());
}

}  // namespace
}  // namespace sluice::http2
