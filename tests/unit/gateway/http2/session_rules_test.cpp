// Each case is played whole and byte by byte, with answers that are sent at once and with none.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/unit/gateway/http2/session_fixture.h"
#include "tests/unit/gateway/http2/session_rules_cases.h"

namespace sluice::http2 {
namespace {

using namespace rules;

class Play {
 public:
  // In pieces of that size; what has been asked by then is answered, or nothing is.
  Play(const Case& played, std::size_t step, bool answers) : case_(played) {
    const std::string all = case_.preface + case_.frames;
    for (std::size_t at = 0; at < all.size(); at += step) {
      server_.session.feed(std::string_view(all).substr(at, step));
      for (const StreamId id : std::exchange(server_.events.asked, {})) {
        ++requests_;
        if (answers) server_.session.respond(id, 200, {}, false);
      }
      sent_ += server_.produced();
    }
  }

  void check() {
    const Expected& expected = case_.expected;
    if (expected.kind == Expected::connection) return check_connection_error(expected.code);
    std::size_t resets_seen = 0;
    for (const Frame& frame : split(sent_)) {
      EXPECT_NE(frame.type, kGoaway) << name_of(static_cast<Code>(frame.number_at(4, 4)));
      if (frame.type != kRstStream) continue;
      ++resets_seen;
      EXPECT_EQ(expected.kind, Expected::stream) << name_of(static_cast<Code>(frame.number_at(0, 4)));
      EXPECT_EQ(frame.stream, expected.id);
      EXPECT_EQ(name_of(static_cast<Code>(frame.number_at(0, 4))), name_of(expected.code));
    }
    EXPECT_EQ(resets_seen, expected.kind == Expected::stream ? 1u : 0u);
    if (expected.kind == Expected::ok) {
      EXPECT_EQ(requests_, expected.requests);
    }
    check_alive();
  }

 private:
  void check_connection_error(Code code) {
    const std::vector<Frame> frames = split(sent_);
    ASSERT_FALSE(frames.empty());
    const Frame& last = frames.back();
    ASSERT_EQ(last.type, kGoaway);
    EXPECT_EQ(name_of(static_cast<Code>(last.number_at(4, 4))), name_of(code));
    EXPECT_EQ(
        std::count_if(frames.begin(), frames.end(), [](const Frame& frame) { return frame.type == kGoaway; }),
        1);
    EXPECT_TRUE(server_.session.over());
    EXPECT_EQ(name_of(server_.session.fault()), name_of(code));
    server_.session.feed(ping(7));
    EXPECT_EQ(server_.produced(), "");
  }

  void check_alive() {
    server_.session.feed(ping(7));
    bool ponged = false;
    for (const Frame& frame : server_.frames()) {
      ponged = ponged || (frame.type == kPing && frame.flags == kAck && frame.number_at(0, 8) == 7);
    }
    EXPECT_TRUE(ponged);
    EXPECT_FALSE(server_.session.over());
    EXPECT_EQ(name_of(server_.session.fault()), "NO_ERROR");
  }

  const Case& case_;
  ServerEnd server_;
  std::size_t requests_ = 0;
  std::string sent_;
};

void play_all(const std::vector<Case>& cases) {
  for (const Case& played : cases) {
    for (const std::size_t step : {std::size_t{1} << 20, std::size_t{1}}) {
      for (const bool answers : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << played.section << ": " << played.title << (step == 1 ? ", byte by byte" : "")
                     << (answers ? ", answered" : ""));
        Play(played, step, answers).check();
      }
    }
  }
}

TEST(SessionRules, OfConnections) { play_all(connection_cases()); }
TEST(SessionRules, OfStreams) { play_all(stream_cases()); }
TEST(SessionRules, OfMessages) { play_all(message_cases()); }
TEST(SessionRules, OfCompression) { play_all(compression_cases()); }

// Found within an event, in the midst of a head: neither what came in the same piece is looked at, nor what comes later.
TEST(SessionRules, NothingIsReadBehindOneResetTooMany) {
  ServerEnd server({.max_streams = 2, .max_resets = config::Rate{1, std::chrono::hours(1)}});
  server.events.refused_field = "x-too-much";
  const auto ask = [](std::uint32_t id) { return headers(id, block(request("GET", {{"x-too-much", "1"}, {"x-more", "2"}}))); };
  server.session.feed(std::string(kPreface) + settings() + ask(1) + ask(3));
  EXPECT_EQ(split(server.produced()).back().type, kRstStream);
  server.session.feed(ask(5) + ask(7) + frame(kPing, 0, 0, "123") + get(9));
  const std::size_t began = server.events.streams.size();
  EXPECT_EQ(began, 4U);
  const std::vector<Frame> sent = split(server.produced());
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent.back().type, kGoaway);
  EXPECT_EQ(name_of(static_cast<Code>(sent.back().number_at(4, 4))), "ENHANCE_YOUR_CALM");
  EXPECT_EQ(server.session.violation(), metrics::Http2Violation::max_resets);
  server.session.feed(get(11));
  EXPECT_EQ(server.events.streams.size(), began);
  EXPECT_TRUE(server.session.over());
}

// The library has one error for this and for faults of other kinds, which go on being those.
TEST(SessionRules, MoreRequestsThanThereMayBeAreNamedSo) {
  using metrics::Http2Violation;
  const auto violation_of = [](const std::string& frames) {
    ServerEnd server({.max_streams = 2});
    server.produced();
    server.session.feed(std::string(kPreface) + settings() + frame(kSettings, kAck, 0, ""));
    server.session.feed(get(1) + get(3) + frames);
    const std::vector<Frame> sent = split(server.produced());
    EXPECT_EQ(name_of(static_cast<Code>(sent.back().number_at(4, 4))), "PROTOCOL_ERROR");
    return server.session.violation();
  };
  EXPECT_EQ(violation_of(get(5)), Http2Violation::max_concurrent_streams);
  EXPECT_EQ(violation_of(get(6)), Http2Violation::protocol) << "a number that is not for clients";
  EXPECT_EQ(violation_of(headers(0, block(request()))), Http2Violation::protocol);
  EXPECT_EQ(violation_of(priority(0, 1)), Http2Violation::protocol);
}

}  // namespace
}  // namespace sluice::http2
