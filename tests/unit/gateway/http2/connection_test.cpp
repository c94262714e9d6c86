#include "gateway/http2/connection.h"

#include <gmock/gmock.h>

#include "tests/support/h2_frames.h"
#include "tests/support/io_harness.h"
#include "tls/stream_error.h"

namespace sluice::http2 {
namespace {

using test::h2::Frame;
using tls::StreamError;
namespace h2 = test::h2;

class ConnectionTest : public ::testing::Test, public ConnectionOwner {
 protected:
  void open(int buffer = 0, std::uint32_t max_streams = 4, config::OptionalRate max_resets = SessionRules{}.max_resets) {
    auto [stream, peer] = harness_.plain_stream(buffer);
    peer_ = std::move(peer);
    SessionRules rules;
    rules.max_streams = max_streams;
    rules.max_resets = max_resets;
    connection_ = std::make_unique<Connection>(std::move(stream), rules, RequestLimits{}, metrics_, *this);
    connection_->start();
    say(std::string(h2::kPreface) + h2::settings());
  }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      bytes.remove_prefix(peer_.send_some(bytes));
      harness_.settle();
      hear();
    }
    harness_.settle();
    hear();
  }
  // A request; its stream.
  Stream& ask(StreamId id, std::string_view method = "GET", std::uint8_t flags = h2::kWhole) {
    say(h2::headers(static_cast<std::uint32_t>(id), h2::block(h2::request(method)), flags));
    return stream(id);
  }
  Stream& stream(StreamId id) {
    for (Arrival& arrival : arrivals_) {
      if (arrival.stream && arrival.stream->id() == id) return *arrival.stream;
    }
    throw std::out_of_range("no such stream");
  }
  void let_go(StreamId id) {
    for (Arrival& arrival : arrivals_) {
      if (arrival.stream && arrival.stream->id() == id) arrival.stream.reset();
    }
    harness_.settle();
    hear();
  }
  void hear() {
    heard_ += peer_.receive();
    std::string_view rest;
    for (Frame& frame : h2::split(heard_, &rest)) frames_.push_back(std::move(frame));
    heard_ = std::string(rest);
  }
  // What came on a stream, by type.
  std::vector<Frame> heard(StreamId id, std::uint8_t type) {
    harness_.settle();
    hear();
    std::vector<Frame> found;
    for (const Frame& frame : frames_) {
      if (frame.stream == static_cast<std::uint32_t>(id) && frame.type == type) found.push_back(frame);
    }
    return found;
  }
  std::string body(StreamId id) {
    std::string all;
    for (const Frame& frame : heard(id, h2::kData)) all += frame.payload;
    return all;
  }
  bool ended(StreamId id) {
    for (const std::uint8_t type : {h2::kData, h2::kHeaders}) {
      for (const Frame& frame : heard(id, type)) {
        if ((frame.flags & h2::kEndStream) != 0) return true;
      }
    }
    return false;
  }
  std::string read(Stream& stream) {
    std::string all;
    char memory[4096];
    for (;;) {
      const tls::ReadResult got = stream.read_some(memory, sizeof memory);
      last_ = got.error;
      if (got.error) return all;
      all.append(memory, got.size);
    }
  }

  void request_came(Arrival arrival) override { arrivals_.push_back(std::move(arrival)); }
  void turn_ended() override { ++turns_; }
  void connection_ended(ErrorCode error) override {
    ++ends_;
    end_error_ = error;
  }

  test::IoHarness harness_;
  metrics::Registry registry_{1};
  metrics::Http2Metrics metrics_{registry_, 0};
  test::Peer peer_;
  std::unique_ptr<Connection> connection_;
  std::vector<Arrival> arrivals_;
  std::vector<Frame> frames_;
  std::string heard_;
  http::Headers fields_;
  ErrorCode last_, end_error_;
  int turns_ = 0, ends_ = 0;
};

void count(void* times) { ++*static_cast<int*>(times); }

TEST_F(ConnectionTest, AnswersARequestAndForgetsIt) {
  open();
  Stream& stream = ask(1);
  EXPECT_EQ(arrivals_[0].head.path, "/");
  EXPECT_EQ(arrivals_[0].head.version, http::Version::http_2);
  EXPECT_TRUE(stream.read_to_end());
  stream.respond(200, fields_, true);
  EXPECT_FALSE(stream.write({"one ", "two "}));
  EXPECT_FALSE(stream.write_last({"three"}, nullptr));
  EXPECT_EQ(body(1), "one two three");
  EXPECT_TRUE(ended(1));
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ConnectionTest, OneTurnsResponsesLeaveTogether) {
  open();
  for (const StreamId id : {1, 3, 5}) ask(id);
  frames_.clear();
  for (const StreamId id : {1, 3, 5}) {
    stream(id).respond(200, fields_, true);
    stream(id).write_last({"x"}, nullptr);
  }
  EXPECT_EQ(peer_.receive(), "") << "before the turn is over";
  for (const StreamId id : {1, 3, 5}) EXPECT_EQ(body(id), "x");
}

TEST_F(ConnectionTest, ABodyComesInWithItsTrailers) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  int woken = 0;
  EXPECT_EQ(read(stream), "");
  EXPECT_EQ(last_, StreamError::would_block);
  stream.on_readable(count, &woken);
  say(h2::data(1, "abc", h2::kNone));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(read(stream), "abc");
  stream.unread("bc");
  say(h2::headers(1, h2::block({{"x-sum", "7"}, {"content-length", "3"}})));
  EXPECT_FALSE(stream.read_to_end());
  EXPECT_EQ(read(stream), "bc");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream.read_to_end());
  EXPECT_EQ(stream.trailers().find("x-sum"), "7");
  EXPECT_FALSE(stream.trailers().contains("content-length"));
}

TEST_F(ConnectionTest, TrailersThatAreDroppedCountAsWell) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  h2::Fields dropped(100, {"cookie", "a"});
  say(h2::headers(1, h2::block(dropped)));
  EXPECT_TRUE(heard(1, h2::kRstStream).empty());
  EXPECT_EQ(read(stream), "");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream.trailers().empty());
  ask(3, "POST", h2::kEndHeaders);
  dropped.emplace_back("cookie", "one too many");
  say(h2::headers(3, h2::block(dropped)));
  EXPECT_EQ(heard(3, h2::kRstStream).size(), 1U);
}

TEST_F(ConnectionTest, LargeTrailersAreHeldAsLongAsTheirStreamIsThere) {
  open();
  ask(1, "POST", h2::kEndHeaders);
  say(h2::headers(1, h2::block({{"x-large", std::string(6000, 'x')}})));
  EXPECT_GT(harness_.metrics.held_bytes.value(), 6000);
  stream(1).respond(200, fields_, false);
  let_go(1);
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(ConnectionTest, AReaderThatIsAlwaysBehindLetsNothingGrow) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  const std::string piece(4096, 'x');
  char memory[4096];
  say(h2::data(1, piece, h2::kNone) + h2::data(1, piece, h2::kNone));
  for (int i = 0; i < 200; ++i) {
    say(h2::data(1, piece, h2::kNone));
    ASSERT_EQ(stream.read_some(memory, sizeof memory).size, sizeof memory);
    ASSERT_LT(harness_.metrics.held_bytes.value(), 20'000) << i;
  }
  EXPECT_EQ(read(stream).size(), 2 * piece.size());
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(ConnectionTest, TrailersFollowTheBody) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  http::Headers trailers;
  trailers.add("X-Sum", "7");
  stream.write_last({"abc"}, &trailers);
  EXPECT_EQ(body(1), "abc");
  ASSERT_EQ(heard(1, h2::kHeaders).size(), 2U);
  EXPECT_NE(heard(1, h2::kHeaders)[1].flags & h2::kEndStream, 0);
}

// What is not read keeps the stream's window shut, and no other stream's.
TEST_F(ConnectionTest, ASlowReaderStopsItsOwnStream) {
  open();
  Stream& slow = ask(1, "POST", h2::kEndHeaders);
  Stream& fast = ask(3, "POST", h2::kEndHeaders);
  const std::string piece(16000, 'x');
  for (int i = 0; i < 4; ++i) say(h2::data(1, piece, h2::kNone));
  EXPECT_GT(harness_.held.held(), 0U) << "beyond the first piece it is counted";
  for (int i = 0; i < 20; ++i) {
    say(h2::data(3, piece, h2::kNone));
    EXPECT_EQ(read(fast), piece);
  }
  EXPECT_TRUE(heard(1, h2::kWindowUpdate).empty());
  EXPECT_FALSE(heard(3, h2::kWindowUpdate).empty());
  EXPECT_EQ(read(slow).size(), 64000U);
  EXPECT_FALSE(heard(1, h2::kWindowUpdate).empty());
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ConnectionTest, WhatTheWindowDoesNotLetGoIsKept) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  const std::string all = test::pattern(100'000);
  EXPECT_FALSE(stream.write_last({all}, nullptr));
  EXPECT_FALSE(stream.flushed());
  EXPECT_EQ(body(1).size(), 65535U);
  EXPECT_EQ(stream.kept(), all.size() - 65535);
  EXPECT_EQ(harness_.io.stalled.size(), 1U);
  int woken = 0;
  stream.on_flushed(count, &woken);
  say(h2::window(0, 1 << 20) + h2::window(1, 1 << 20));
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(stream.write_error()) << stream.write_error().message();
  EXPECT_TRUE(stream.flushed());
  EXPECT_TRUE(body(1) == all) << body(1).size();
  EXPECT_TRUE(ended(1));
  EXPECT_EQ(harness_.held.held(), 0U);
  EXPECT_TRUE(harness_.io.stalled.empty());
}

// Its user has let go: what was written to its end leaves all the same.
TEST_F(ConnectionTest, AnEndThatIsKeptOutlivesItsUser) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  stream.respond(200, fields_, true);
  const std::string all = test::pattern(100'000);
  stream.write_last({all}, nullptr);
  let_go(1);
  say(h2::window(0, 1 << 20) + h2::window(1, 1 << 20));
  EXPECT_TRUE(body(1) == all) << body(1).size();
  EXPECT_TRUE(ended(1));
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U) << "the rest of the request is of no use";
  EXPECT_EQ(heard(1, h2::kRstStream)[0].number_at(0, 4), 0U);
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ConnectionTest, AnAnswerThatOvertakesItsRequestComesBeforeTheReset) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  stream.respond(413, fields_, false);
  let_go(1);
  ASSERT_EQ(heard(1, h2::kHeaders).size(), 1U);
  EXPECT_TRUE(ended(1));
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U);
  EXPECT_EQ(heard(1, h2::kRstStream)[0].number_at(0, 4), 0U);
}

TEST_F(ConnectionTest, LettingGoInTheMiddleCancels) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  stream.write({"half"});
  let_go(1);
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U);
  EXPECT_EQ(heard(1, h2::kRstStream)[0].number_at(0, 4), static_cast<std::uint64_t>(Code::cancel));
  EXPECT_EQ(connection_->streams(), 0U);
}

TEST_F(ConnectionTest, AResetIsTold) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  int left = 0;
  stream.watch_end(count, &left);
  say(h2::data(1, "abc", h2::kNone));
  EXPECT_EQ(left, 0);
  say(h2::rst(1, static_cast<std::uint32_t>(Code::cancel)));
  EXPECT_EQ(left, 1);
  EXPECT_EQ(read(stream), "abc") << "as from a socket whose peer has reset it";
  EXPECT_EQ(last_, std::errc::connection_reset);
  EXPECT_EQ(stream.write({"x"}), std::errc::connection_reset);
}

// RFC 9113 8.5.
TEST_F(ConnectionTest, ATunnelCarriesBytesBothWaysAndNoTrailers) {
  open();
  say(h2::headers(1, h2::block({{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}),
                  h2::kEndHeaders));
  Stream& tunnel = stream(1);
  EXPECT_EQ(arrivals_[0].head.protocol, "websocket");
  fields_.add("X-Own", "1");
  tunnel.open_tunnel(fields_);
  EXPECT_FALSE(tunnel.write({"down"}));
  EXPECT_EQ(body(1), "down");
  EXPECT_FALSE(ended(1));
  say(h2::data(1, "up", h2::kNone));
  EXPECT_EQ(read(tunnel), "up");
  EXPECT_EQ(last_, StreamError::would_block);
  say(h2::headers(1, h2::block({{"x", "y"}})));
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U);
  EXPECT_EQ(heard(1, h2::kRstStream)[0].number_at(0, 4), static_cast<std::uint64_t>(Code::protocol_error));
  EXPECT_EQ(read(tunnel), "");
  EXPECT_EQ(last_, std::errc::protocol_error);
}

TEST_F(ConnectionTest, ARequestThatIsResetAtOnceIsNobodysWork) {
  open();
  say(h2::headers(1, h2::block(h2::request())) + h2::rst(1, 8));
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(connection_->streams(), 0U);
}

// Those that were reset count as long as they are served.
TEST_F(ConnectionTest, ResettingMakesNoRoomForMore) {
  open(0, 2);
  for (const StreamId id : {1, 3, 5, 7}) {
    ask(id);
    say(h2::rst(static_cast<std::uint32_t>(id), 8));
  }
  say(h2::headers(9, h2::block(h2::request())));
  EXPECT_EQ(arrivals_.size(), 4U);
  ASSERT_EQ(heard(9, h2::kRstStream).size(), 1U);
  EXPECT_EQ(heard(9, h2::kRstStream)[0].number_at(0, 4), static_cast<std::uint64_t>(Code::refused_stream));
  let_go(1);
  ask(11);
}

TEST_F(ConnectionTest, AFaultyRequestIsHandedOutWithItsFault) {
  open();
  h2::Fields fields = h2::request();
  fields[1].second = "ftp";
  say(h2::headers(1, h2::block(fields)));
  ASSERT_EQ(arrivals_.size(), 1U);
  EXPECT_EQ(arrivals_[0].fault, http::ParseError::bad_scheme);
}

TEST_F(ConnectionTest, ItsEndIsEverybodysEnd) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  int woken = 0;
  stream.on_readable(count, &woken);
  peer_.close();
  harness_.settle();
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(ends_, 1);
  read(stream);
  EXPECT_EQ(last_, std::errc::connection_reset) << "no end of a message";
  connection_.reset();
  EXPECT_EQ(stream.write({"x"}), std::errc::connection_reset);
}

TEST_F(ConnectionTest, LeavesWhenTheLastStreamHasEnded) {
  open();
  Stream& stream = ask(1);
  connection_->announce_shutdown();
  ask(3).respond(200, fields_, false);
  connection_->go_away();
  harness_.settle();
  EXPECT_EQ(ends_, 0);
  stream.respond(200, fields_, false);
  harness_.settle();
  EXPECT_EQ(ends_, 1);
  EXPECT_FALSE(end_error_);
  ASSERT_EQ(heard(0, h2::kGoaway).size(), 2U);
  EXPECT_EQ(heard(0, h2::kGoaway)[1].number_at(0, 4), 3U);
}

TEST_F(ConnectionTest, AViolationEndsItWithAReason) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  say(h2::data(0, "x", h2::kNone));
  EXPECT_EQ(ends_, 1);
  ASSERT_EQ(heard(0, h2::kGoaway).size(), 1U);
  EXPECT_EQ(heard(0, h2::kGoaway)[0].number_at(4, 4), static_cast<std::uint64_t>(Code::protocol_error));
  read(stream);
  EXPECT_EQ(last_, std::errc::connection_reset);
}

// A client that asks and does not read: its requests are not read either, and go on when it does.
TEST_F(ConnectionTest, StopsReadingFromAClientThatDoesNotRead) {
  open(4096, 4, std::nullopt);
  const std::string wrong = [] {
    const std::string block = h2::block(h2::request("GET", {{"UPPER", "case"}}));
    std::string all;
    for (std::uint32_t id = 1; id < 6000; id += 2) all += h2::headers(id, block);
    return all;
  }();
  std::size_t sent = 0;
  for (int idle = 0; idle < 5 && sent < wrong.size(); ++idle) {
    if (const std::size_t n = peer_.send_some(std::string_view(wrong).substr(sent))) {
      sent += n;
      idle = 0;
    }
    harness_.settle();
  }
  EXPECT_LT(sent, wrong.size());
  while (sent < wrong.size()) {
    sent += peer_.send_some(std::string_view(wrong).substr(sent));
    harness_.settle();
    hear();
  }
  const auto resets = [&] {
    harness_.settle();
    hear();
    return std::count_if(frames_.begin(), frames_.end(), [](const Frame& frame) { return frame.type == h2::kRstStream; });
  };
  EXPECT_TRUE(harness_.run_until([&] { return resets() == 3000; }));
  EXPECT_EQ(ends_, 0);
}

// ---- counting and leaving

double metric(const metrics::Registry& registry, const std::string& series) {
  const std::string text = registry.scrape();
  const auto at = text.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

TEST_F(ConnectionTest, CountsItsStreams) {
  open();
  ask(1);
  ask(3);
  ask(5).respond(200, fields_, false);
  EXPECT_TRUE(ended(5));
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_open"), 2);
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_total"), 3);
  say(h2::rst(1, 8));
  stream(3).reset(Code::internal_error, StreamError::cancelled);
  harness_.settle();
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_open"), 0);
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_reset_total{by=\"client\"}"), 1);
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_reset_total{by=\"gateway\"}"), 1);
  ask(7);
  peer_.close();
  harness_.settle();
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(metric(registry_, "sluice_http2_streams_open"), 0);
}

TEST_F(ConnectionTest, WhatIsResetAtOnceIsNeverHandedOut) {
  open();
  const std::string block = h2::block(h2::request("POST"));
  say(h2::headers(1, block, h2::kEndHeaders) + h2::rst(1, 8) + h2::headers(3, block, h2::kEndHeaders) + h2::window(3, 0x7FFFFFFFU) +
      h2::headers(5, block) + h2::ping(7));
  ASSERT_EQ(arrivals_.size(), 1U);
  EXPECT_EQ(arrivals_[0].stream->id(), 5);
}

TEST_F(ConnectionTest, WhatComesBeforeAFaultIsNotHandedOut) {
  open();
  say(h2::headers(1, h2::block(h2::request())) + h2::priority(0, 1));
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(connection_->violation(), metrics::Http2Violation::protocol);
}

TEST_F(ConnectionTest, LeavesWhenTheClientHasHeardOfIt) {
  open();
  ask(1);
  connection_->announce_shutdown();
  harness_.settle();
  ASSERT_EQ(heard(0, h2::kGoaway).size(), 1U);
  EXPECT_EQ(heard(0, h2::kGoaway)[0].number_at(0, 4), 0x7FFFFFFFU);
  const std::vector<Frame> pings = heard(0, h2::kPing);
  ASSERT_EQ(pings.size(), 1U);
  ask(3);
  EXPECT_EQ(heard(0, h2::kGoaway).size(), 1U);
  say(h2::frame(h2::kPing, h2::kAck, 0, pings[0].payload));
  ASSERT_EQ(heard(0, h2::kGoaway).size(), 2U);
  EXPECT_EQ(heard(0, h2::kGoaway)[1].number_at(0, 4), 3U);
  connection_->announce_shutdown();
  connection_->go_away();
  stream(1).respond(200, fields_, false);
  EXPECT_EQ(ends_, 0);
  stream(3).respond(200, fields_, false);
  EXPECT_EQ(heard(0, h2::kGoaway).size(), 2U);
  EXPECT_EQ(ends_, 1);
  EXPECT_FALSE(end_error_);
}

TEST_F(ConnectionTest, AnyOtherPongIsNone) {
  open();
  ask(1);
  connection_->announce_shutdown();
  say(h2::ping(7, h2::kAck));
  EXPECT_EQ(heard(0, h2::kGoaway).size(), 1U);
}

TEST_F(ConnectionTest, AHeadInPiecesIsHeld) {
  open();
  const std::string head = h2::headers(1, h2::block(h2::request("GET", {{"x", std::string(5000, 'a')}})), h2::kEndStream);
  say(head);
  EXPECT_GT(harness_.metrics.held_bytes.value(), 5000);
  EXPECT_TRUE(connection_->reads_head());
  say(h2::continuation(1, ""));
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
  EXPECT_FALSE(connection_->reads_head());
  EXPECT_EQ(arrivals_.size(), 1U);
}

TEST_F(ConnectionTest, WithoutRoomAHeadInPiecesIsReset) {
  open();
  ASSERT_TRUE(harness_.held.take(1 << 30));
  say(h2::headers(1, h2::block(h2::request()), h2::kEndStream));
  harness_.held.give_back(1 << 30);
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U);
  say(h2::continuation(1, ""));
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(harness_.metrics.held_rejected.value(), 1U);
  ask(3);
  EXPECT_EQ(arrivals_.size(), 1U);
}

TEST_F(ConnectionTest, TheLastByteWaitsForTheEnd) {
  open();
  const std::string block = h2::block(h2::request("POST", {{"content-length", "4"}}));
  say(h2::headers(1, block, h2::kEndHeaders) + h2::data(1, "body", h2::kNone));
  Stream& stream = this->stream(1);
  EXPECT_EQ(read(stream), "bod");
  EXPECT_EQ(last_, StreamError::would_block);
  EXPECT_FALSE(stream.readable_now());
  say(h2::data(1, ""));
  EXPECT_TRUE(stream.readable_now());
  EXPECT_EQ(read(stream), "y");
  EXPECT_EQ(last_, StreamError::eof);
  say(h2::headers(3, block, h2::kEndHeaders) + h2::data(3, "body", h2::kNone));
  say(h2::data(3, "more"));
  EXPECT_EQ(read(this->stream(3)), "bod") << "what came before a reset is read, but never all";
  EXPECT_EQ(last_, std::errc::connection_reset);
}

TEST_F(ConnectionTest, WithoutRoomAStreamIsCut) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  ASSERT_TRUE(harness_.held.take(1 << 30));
  EXPECT_EQ(stream.write({test::pattern(100'000)}), StreamError::held_limit);
  EXPECT_EQ(heard(1, h2::kRstStream).size(), 1U);
  harness_.held.give_back(1 << 30);
  EXPECT_TRUE(harness_.io.stalled.empty());
  EXPECT_EQ(ends_, 0);
}

TEST_F(ConnectionTest, AClientThatTakesNothingIsCutAfterATime) {
  open();
  Stream& stream = ask(1);
  stream.set_write_idle(std::chrono::milliseconds(40), nullptr);
  stream.respond(200, fields_, true);
  stream.write_last({test::pattern(100'000)}, nullptr);
  EXPECT_TRUE(harness_.run_until([&] { return static_cast<bool>(stream.write_error()); }));
  EXPECT_EQ(stream.write_error(), StreamError::write_idle);
  EXPECT_EQ(heard(1, h2::kRstStream).size(), 1U);
  EXPECT_EQ(harness_.held.held(), 0U);
}

// RFC 9218: its window is open, and only the more urgent stream gets on.
TEST_F(ConnectionTest, AStreamThatWaitsForAMoreUrgentOneIsNotCut) {
  open(4096);
  const auto ask_with = [&](StreamId id, std::string_view priority) -> Stream& {
    const h2::Fields fields = h2::request("GET", {{"priority", std::string(priority)}});
    say(h2::headers(static_cast<std::uint32_t>(id), h2::block(fields)) + h2::window(static_cast<std::uint32_t>(id), 1 << 30));
    return stream(id);
  };
  say(h2::window(0, 1 << 30));
  Stream& urgent = ask_with(1, "u=0");
  Stream& patient = ask_with(3, "u=7");
  urgent.respond(200, fields_, true);
  urgent.write_last({test::pattern(4'000'000)}, nullptr);
  patient.set_write_idle(std::chrono::milliseconds(40), nullptr);
  patient.respond(200, fields_, true);
  patient.write_last({test::pattern(1000)}, nullptr);
  std::size_t came = 0;
  const Clock::time_point began = Clock::now();
  const auto is_cut = [&] {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (came < 8000 * static_cast<std::size_t>(time.count())) {  // it reads all the time, and not to the end
      const std::string some = peer_.receive(8192);
      came += some.size();
      heard_ += some;
    }
    return static_cast<bool>(patient.write_error());
  };
  EXPECT_FALSE(harness_.run_until(is_cut, std::chrono::milliseconds(400)));
  ASSERT_LT(came, 4'000'000U) << "the urgent one was under way all the time";
  EXPECT_TRUE(harness_.run_until([&] { hear(); return patient.flushed(); }));
  EXPECT_FALSE(patient.write_error());
}

// Although it cannot be told so.
TEST_F(ConnectionTest, WhoIsToBlameIsNotReadOn) {
  open(4096);
  say(h2::window(0, 1 << 30));
  Stream& stream = ask(1);
  say(h2::window(1, 1 << 30));
  stream.respond(200, fields_, true);
  stream.write_last({test::pattern(1'000'000)}, nullptr);
  std::string flood;
  while (flood.size() < 100'000) flood += h2::frame(0xBE, 0, 0, "unknown");
  constexpr std::size_t kMuch = 4'000'000;
  std::size_t taken = 0, refused = 0;
  while (taken < kMuch && refused < 10) {
    const std::size_t now = peer_.send_some(std::string_view(flood).substr(taken % flood.size()));
    refused = now == 0 ? refused + 1 : 0;
    taken += now;
    harness_.settle();
  }
  EXPECT_LT(taken, kMuch);
  EXPECT_TRUE(harness_.run_until([&] { hear(); return ends_ == 1; }));
}

}  // namespace
}  // namespace sluice::http2
