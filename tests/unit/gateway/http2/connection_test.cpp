// Streams of a connection: requests, answers, tunnels.
#include "tests/unit/gateway/http2/connection_fixture.h"

namespace sluice::http2 {
namespace {

constexpr std::chrono::milliseconds kLong{400};  // more than a request gets to end behind its answer

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

TEST_F(ConnectionTest, EmptyTrailersEndABody) {
  open();
  Stream& stream = ask(1, "POST", h2::kEndHeaders);
  say(h2::data(1, "abc", h2::kNone) + h2::headers(1, ""));
  EXPECT_EQ(read(stream), "abc");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream.read_to_end());
  EXPECT_TRUE(stream.trailers().empty());
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

// What it sends may be much work: the others have their turn in between.
TEST_F(ConnectionTest, AClientIsReadInSeveralTurns) {
  open();
  std::string all;
  for (const StreamId id : {1, 3, 5, 7}) {
    ask(id, "POST", h2::kEndHeaders);
    for (int i = 0; i < 3; ++i) all += h2::data(static_cast<std::uint32_t>(id), std::string(16'000, 'x'), h2::kNone);
  }
  turns_ = 0;
  ASSERT_EQ(peer_.send_some(all), all.size());
  harness_.settle();
  EXPECT_GE(turns_, 3);
  for (const StreamId id : {1, 3, 5, 7}) EXPECT_EQ(read(stream(id)).size(), 48'000U);
}

TEST_F(ConnectionTest, RequestsThatComeTogetherBeginInSeveralTurnsAndInOrder) {
  open(0, 50);
  std::string all;
  for (int i = 0; i < 40; ++i) all += h2::headers(static_cast<std::uint32_t>(2 * i + 1), h2::block(h2::request("GET")), h2::kWhole);
  ASSERT_EQ(peer_.send_some(all), all.size());
  while (arrivals_.empty()) harness_.loop.turn({});
  EXPECT_LT(arrivals_.size(), 40U);
  say(h2::rst(79, 8));
  ASSERT_EQ(arrivals_.size(), 39U) << "the last one is not wanted any more";
  for (std::size_t i = 0; i < arrivals_.size(); ++i) EXPECT_EQ(arrivals_[i].stream->id(), static_cast<StreamId>(2 * i + 1));
}

TEST_F(ConnectionTest, WhatIsResetBeforeItBeginsIsForgottenInTheSameTurn) {
  open(0, 50, std::nullopt);
  for (std::uint32_t id = 1; id < 1000;) {
    std::string all;
    for (int i = 0; i < 40; ++i, id += 2) all += h2::headers(id, h2::block(h2::request("GET")), h2::kWhole) + h2::rst(id, 8);
    ASSERT_EQ(peer_.send_some(all), all.size());
    harness_.loop.turn({});
  }
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_TRUE(violations_.empty()) << "more are there than may be";
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

TEST_F(ConnectionTest, WhoTakesAllButAByteHoldsNoMoreThanALittle) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  EXPECT_FALSE(stream.write({test::pattern(100'000)}));
  say(h2::window(0, 1 << 20) + h2::window(1, 100'000 - 65535 - 1));
  EXPECT_EQ(stream.kept(), 1U);
  EXPECT_LE(harness_.held.held(), tls::StalledPeers::kLittle);
  say(h2::window(1, 1));
  EXPECT_TRUE(body(1) == test::pattern(100'000));
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ConnectionTest, NothingIsTakenOfWhatWasLentWhenMemoryHasRunOut) {
  open();
  Stream& stream = ask(1);
  stream.respond(200, fields_, true);
  const std::string there(Session::kStreamWindow + 1, 'x');
  const std::string_view more(there.data(), std::numeric_limits<std::size_t>::max());  // than can be kept
  EXPECT_THROW(stream.write_last({more}, nullptr), std::length_error);
  let_go(1);
  say(h2::window(0, 100'000) + h2::window(1, 100'000));
  EXPECT_EQ(reset_in_time(1), Code::internal_error);
  EXPECT_EQ(body(1).size(), Session::kStreamWindow);
  EXPECT_FALSE(ended(1));
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
  EXPECT_EQ(reset_in_time(1), Code::no_error) << "the rest of the request is of no use";
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ConnectionTest, AnAnswerThatOvertakesItsRequestComesBeforeTheReset) {
  overtake("POST");
  ASSERT_EQ(heard(1, h2::kHeaders).size(), 1U);
  EXPECT_TRUE(ended(1));
  EXPECT_EQ(reset_in_time(1), Code::no_error);
  EXPECT_EQ(connection_->streams(), 0U);
}

TEST_F(ConnectionTest, ARequestThatEndsBehindItsAnswerNeedsNoReset) {
  overtake("POST");
  EXPECT_EQ(connection_->streams(), 1U);
  say(h2::frame(h2::kData, h2::kEndStream, 1, "all of it"));
  EXPECT_EQ(connection_->streams(), 0U);
  harness_.run_for(kLong);
  EXPECT_TRUE(heard(1, h2::kRstStream).empty());
}

TEST_F(ConnectionTest, FaultsBehindAnAnswerAreFound) {
  const std::string full = h2::window(1, 0x7FFFFFFF);
  overtake("POST");
  say(full + full);
  ASSERT_EQ(heard(1, h2::kRstStream).size(), 1U);
  EXPECT_EQ(code_of(heard(1, h2::kRstStream)[0]), Code::flow_control_error);
  harness_.run_for(kLong);
  EXPECT_EQ(heard(1, h2::kRstStream).size(), 1U) << "it is over";
}

TEST_F(ConnectionTest, ALongRequestIsToldToStopBehindItsAnswer) {
  overtake("POST");
  for (int i = 0; i < 3; ++i) say(h2::frame(h2::kData, h2::kNone, 1, std::string(16 * 1024, 'x')));
  EXPECT_TRUE(heard(1, h2::kRstStream).empty()) << "the answer is read first";
  EXPECT_EQ(reset_in_time(1), Code::no_error);
  EXPECT_TRUE(heard(1, h2::kWindowUpdate).empty()) << "nobody wants more";
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

}  // namespace
}  // namespace sluice::http2
