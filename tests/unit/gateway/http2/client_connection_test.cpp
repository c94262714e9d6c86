#include "gateway/http2/client_connection.h"

#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"
#include "tests/support/io_harness.h"
#include "tests/unit/gateway/http2/read_stream.h"
#include "tls/stream_error.h"

namespace sluice::http2 {
namespace {

using test::h2::Frame;
using tls::StreamError;
namespace h2 = test::h2;

class ClientConnectionTest : public ::testing::Test, public CarrierOwner {
 protected:
  void open(int buffer = 0, const std::string& settings = h2::settings()) {
    auto [stream, peer] = harness_.plain_stream(buffer);
    peer_ = std::move(peer);
    connection_ = std::make_unique<ClientConnection>(std::move(stream), SessionRules{}, ResponseLimits{}, *this);
    connection_->start();
    say(settings);
    preface_ = heard_.substr(0, h2::kPreface.size());
  }
  void say(std::string_view bytes) {
    peer_.send(bytes);
    hear();
  }
  StreamPtr ask(bool with_body = false, std::string_view method = "GET") {
    StreamPtr stream = connection_->open({method, "http", "/", fields_}, with_body);
    hear();
    return stream;
  }
  void hear() {
    harness_.settle();
    heard_ += peer_.receive();
    std::string_view bytes = heard_;
    if (bytes.starts_with("PRI")) bytes.remove_prefix(h2::kPreface.size());
    frames_ = h2::split(bytes);
  }
  std::size_t count(std::uint32_t stream, std::uint8_t type) {
    hear();
    std::size_t found = 0;
    for (const Frame& frame : frames_) found += frame.stream == stream && frame.type == type;
    return found;
  }
  void answer(std::uint32_t stream, std::uint8_t flags = h2::kEndHeaders, std::string_view status = "200") {
    say(h2::headers(stream, h2::block({{":status", std::string(status)}}), flags));
  }
  std::string read(Stream& stream) { return read_stream(stream, last_); }

  void turn_ended() override {
    ++turns_;
    streams_when_told_ = connection_->streams();
  }
  void connection_ended(ErrorCode error) override {
    ++ends_;
    end_error_ = error;
  }

  test::IoHarness harness_;
  test::Peer peer_;
  std::unique_ptr<ClientConnection> connection_;
  std::vector<Frame> frames_;
  std::string heard_, preface_;
  http::Headers fields_;
  ErrorCode last_, end_error_;
  int turns_ = 0, ends_ = 0;
  std::size_t streams_when_told_ = 0;
};

TEST_F(ClientConnectionTest, AsksAndHears) {
  open();
  EXPECT_EQ(preface_, h2::kPreface);
  const StreamPtr stream = ask();
  EXPECT_EQ(count(1, h2::kHeaders), 1U);
  EXPECT_FALSE(stream->take_head());
  answer(1, h2::kEndHeaders, "103");
  answer(1);
  EXPECT_EQ(stream->take_head()->head.status, 103U);
  EXPECT_EQ(stream->take_head()->head.status, 200U);
  EXPECT_FALSE(stream->take_head());
  say(h2::data(1, "body"));
  EXPECT_EQ(read(*stream), "body");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream->read_to_end());
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(count(1, h2::kRstStream), 0U);
}

TEST_F(ClientConnectionTest, ABodyGoesWithItsHead) {
  open();
  const StreamPtr stream = connection_->open({"POST", "http", "/", fields_}, true);
  EXPECT_FALSE(stream->write({"one"}));
  EXPECT_FALSE(stream->write_last({"two"}, nullptr));
  hear();
  EXPECT_EQ(count(1, h2::kHeaders), 1U);
  EXPECT_EQ(count(1, h2::kData), 2U);
  EXPECT_TRUE(stream->flushed());
}

TEST_F(ClientConnectionTest, EmptyTrailersEndABody) {
  open();
  const StreamPtr stream = ask();
  answer(1);
  say(h2::data(1, "abc", h2::kNone) + h2::headers(1, ""));
  EXPECT_EQ(read(*stream), "abc");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream->trailers().empty());
}

TEST_F(ClientConnectionTest, LargeTrailersAreHeldAsLongAsTheirStreamIsThere) {
  open();
  StreamPtr stream = ask();
  answer(1);
  say(h2::headers(1, h2::block({{"x-large", std::string(6000, 'x')}})));
  EXPECT_GT(harness_.metrics.held_bytes.value(), 6000);
  EXPECT_EQ(read(*stream), "");
  EXPECT_EQ(last_, StreamError::eof);
  stream.reset();
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(ClientConnectionTest, LargeTrailersAreHeldBeforeTheyAreComplete) {
  open();
  StreamPtr stream = ask();
  answer(1);
  const std::string block = h2::block({{"x-large", std::string(6000, 'x')}, {"x-more", std::string(1000, 'x')}, {"x-last", "x"}});
  say(h2::headers(1, block.substr(0, block.size() - 2), h2::kEndStream));
  EXPECT_GT(harness_.metrics.held_bytes.value(), 7000);
  stream.reset();
  say(h2::continuation(1, block.substr(block.size() - 2), h2::kEndHeaders));
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(ClientConnectionTest, AHeadThatIsFarTooLargeIsToldFromOneThatIsWrong) {
  open();
  const StreamPtr large = ask(), wrong = ask();
  say(h2::headers(1, h2::block({{":status", "200"}}), h2::kNone));
  for (int i = 0; i < 20; ++i) say(h2::continuation(1, h2::block({{"x", std::string(15'000, 'x')}}), i < 19 ? h2::kNone : h2::kEndHeaders));
  say(h2::headers(3, h2::block({{":status", "200"}, {"Upper", "x"}})));
  EXPECT_EQ(large->error(), std::make_error_code(std::errc::message_size));
  EXPECT_EQ(wrong->error(), std::make_error_code(std::errc::bad_message));
}

TEST_F(ClientConnectionTest, ALargeHeadIsHeldUntilTheNextOneOrTheEndOfItsStream) {
  open();
  StreamPtr stream = ask();
  const auto large = [&](std::string_view status, std::size_t size) {
    say(h2::headers(1, h2::block({{":status", std::string(status)}, {"x-large", std::string(size, 'x')}}), h2::kEndHeaders));
  };
  large("103", 5000);
  large("103", 6000);
  EXPECT_GT(harness_.metrics.held_bytes.value(), 11'000);
  ASSERT_TRUE(stream->take_head());
  EXPECT_GT(harness_.metrics.held_bytes.value(), 11'000);
  ASSERT_TRUE(stream->take_head());
  EXPECT_GT(harness_.metrics.held_bytes.value(), 6000);
  EXPECT_LT(harness_.metrics.held_bytes.value(), 7000);
  large("103", 4000);  // a small one
  ASSERT_TRUE(stream->take_head());
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
  large("200", 5000);
  ASSERT_TRUE(stream->take_head());
  EXPECT_GT(harness_.metrics.held_bytes.value(), 5000);
  stream.reset();
  hear();
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(ClientConnectionTest, AHeadForWhichThereIsNoRoomResetsItsStreamAlone) {
  open();
  const StreamPtr first = ask(), second = ask();
  constexpr std::uint64_t kTaken = (1 << 30) - 1000;
  ASSERT_TRUE(harness_.held.take(kTaken));
  say(h2::headers(1, h2::block({{":status", "200"}, {"x-large", std::string(6000, 'x')}})));
  EXPECT_FALSE(first->take_head());
  EXPECT_EQ(first->error(), StreamError::held_limit);
  EXPECT_EQ(count(1, h2::kRstStream), 1U);
  EXPECT_EQ(harness_.metrics.held_rejected.value(), 1U);
  answer(3, h2::kWhole);
  EXPECT_TRUE(second->take_head());
  harness_.held.give_back(kTaken);
}

TEST_F(ClientConnectionTest, TrailersThatAreDroppedCountAsWell) {
  open();
  const StreamPtr first = ask();
  answer(1);
  h2::Fields dropped(100, {"cookie", "a"});
  say(h2::headers(1, h2::block(dropped)));
  EXPECT_EQ(count(1, h2::kRstStream), 0U);
  EXPECT_EQ(read(*first), "");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(first->trailers().empty());
  const StreamPtr second = ask();
  answer(3);
  dropped.emplace_back("cookie", "one too many");
  say(h2::headers(3, h2::block(dropped)));
  EXPECT_EQ(count(3, h2::kRstStream), 1U);
}

TEST_F(ClientConnectionTest, WhatTheWindowDoesNotLetIsKept) {
  open();
  const StreamPtr stream = ask(true, "POST");
  EXPECT_FALSE(stream->write_last({std::string(100'000, 'x')}, nullptr));
  EXPECT_FALSE(stream->flushed());
  EXPECT_GT(harness_.held.held(), 0U);
  say(h2::window(0, 100'000) + h2::window(1, 100'000));
  hear();
  EXPECT_TRUE(stream->flushed());
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(ClientConnectionTest, LettingGoCancels) {
  open();
  StreamPtr stream = ask();
  answer(1);
  stream.reset();
  EXPECT_EQ(count(1, h2::kRstStream), 1U);
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(ends_, 0);
}

// Its owner keeps it for others from then on.
TEST_F(ClientConnectionTest, TellsThatAStreamIsOverWhichASlowPeerKeptWaiting) {
  open(4096);
  StreamPtr stream = ask(true);
  EXPECT_FALSE(stream->write({std::string(60'000, 'x')}));
  harness_.settle();
  ASSERT_FALSE(connection_->socket().flushed());
  stream.reset();
  harness_.settle();
  ASSERT_EQ(streams_when_told_, 1U);
  ASSERT_TRUE(harness_.run_until([&] { return count(1, h2::kRstStream) == 1; }));
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(streams_when_told_, 0U);
}

TEST_F(ClientConnectionTest, TheFirstSettingsTellOfExtendedConnect) {
  open(0, "");
  EXPECT_EQ(connection_->takes_extended_connect(), std::nullopt);
  say(h2::settings({{8, 1}}));
  EXPECT_EQ(connection_->takes_extended_connect(), true);
}

TEST_F(ClientConnectionTest, WithoutTheSettingThereIsNone) {
  open();
  EXPECT_EQ(connection_->takes_extended_connect(), false);
}

class TunnelStreamTest : public ClientConnectionTest {
 protected:
  StreamPtr connect(std::string_view status = "200") {
    open(0, h2::settings({{8, 1}}));
    const OutgoingRequest request{.method = "CONNECT", .scheme = "http", .target = "/", .headers = fields_, .protocol = "websocket"};
    StreamPtr stream = connection_->open(request, true);
    hear();
    answer(1, h2::kEndHeaders, status);
    EXPECT_TRUE(stream->take_head());
    return stream;
  }
};

TEST_F(TunnelStreamTest, CarriesBytesBothWays) {
  const StreamPtr stream = connect();
  EXPECT_FALSE(stream->write({"up"}));
  say(h2::data(1, "down", h2::kNone));
  EXPECT_EQ(read(*stream), "down");
  EXPECT_EQ(last_, StreamError::would_block);
  EXPECT_EQ(count(1, h2::kData), 1U);
  stream->shutdown_write();
  say(h2::data(1, "", h2::kEndStream));
  EXPECT_EQ(read(*stream), "");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_EQ(count(1, h2::kRstStream), 0U);
  EXPECT_EQ(connection_->streams(), 0U);
}

TEST_F(TunnelStreamTest, TrailersEndIt) {
  const StreamPtr stream = connect();
  say(h2::headers(1, h2::block({{"x-sum", "1"}})));
  EXPECT_EQ(count(1, h2::kRstStream), 1U);
  EXPECT_TRUE(stream->error());
}

TEST_F(TunnelStreamTest, ARefusalMayHaveTrailers) {
  const StreamPtr stream = connect("403");
  say(h2::data(1, "no", h2::kNone) + h2::headers(1, h2::block({{"x-sum", "1"}})));
  EXPECT_EQ(read(*stream), "no");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream->trailers().contains("x-sum"));
}

// Who lets go has said all: the peer is to hear it.
TEST_F(TunnelStreamTest, TheEndLeavesBehindWhatWasWritten) {
  StreamPtr stream = connect();
  EXPECT_FALSE(stream->write({"last words"}));
  stream->shutdown_write();
  stream.reset();
  hear();
  const auto data = std::find_if(frames_.rbegin(), frames_.rend(), [](const Frame& frame) { return frame.type == h2::kData; });
  ASSERT_NE(data, frames_.rend());
  EXPECT_TRUE(data->flags & h2::kEndStream);
  ASSERT_EQ(count(1, h2::kRstStream), 1U);  // nothing of the peer's is wanted any more
  EXPECT_EQ(frames_.back().type, h2::kRstStream);
  EXPECT_EQ(frames_.back().payload, std::string(4, '\0')) << "NO_ERROR";
  EXPECT_EQ(connection_->streams(), 0U);
}

TEST_F(TunnelStreamTest, LettingGoInTheMiddleCancels) {
  StreamPtr stream = connect();
  stream.reset();
  ASSERT_EQ(count(1, h2::kRstStream), 1U);
  EXPECT_EQ(frames_.back().payload, std::string("\0\0\0\x08", 4));
}

TEST_F(ClientConnectionTest, AResetTellsItsCode) {
  open();
  const StreamPtr stream = ask();
  say(h2::rst(1, 7));
  EXPECT_EQ(stream->error(), error_of(Code::refused_stream));
  EXPECT_EQ(ends_, 0);
}

TEST_F(ClientConnectionTest, AResetBehindTheAnswerLeavesIt) {
  open();
  const StreamPtr stream = ask(true, "POST");
  answer(1);
  say(h2::data(1, "enough") + h2::rst(1, 0));
  EXPECT_TRUE(stream->take_head());
  EXPECT_EQ(read(*stream), "enough");
  EXPECT_EQ(last_, StreamError::eof);
  EXPECT_TRUE(stream->write({"more"}));
}

TEST_F(ClientConnectionTest, TheEndOfTheConnectionIsTheEndOfAllStreams) {
  open();
  const StreamPtr first = ask(), second = ask();
  answer(1, h2::kWhole);
  peer_.close();
  harness_.settle();
  EXPECT_EQ(ends_, 1);
  EXPECT_TRUE(first->take_head());
  EXPECT_FALSE(first->error());
  EXPECT_EQ(second->error(), std::errc::connection_reset);
  EXPECT_EQ(connection_->room(), 0U);
  EXPECT_FALSE(connection_->open({"GET", "http", "/", fields_}, false));
}

TEST_F(ClientConnectionTest, RequestsThatThePeerHasNoRoomForAnyMoreAreRefused) {
  open();
  const StreamPtr begun = ask();
  peer_.send(h2::settings({{3, 2}}));
  std::vector<StreamPtr> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(connection_->open({"GET", "http", "/", fields_}, false));
  hear();
  EXPECT_FALSE(begun->error());
  EXPECT_FALSE(waiting[0]->error()) << "there is room for one";
  EXPECT_EQ(count(3, h2::kHeaders), 1U);
  for (int i : {1, 2}) EXPECT_EQ(waiting[i]->error(), error_of(Code::refused_stream)) << i;
  EXPECT_EQ(connection_->streams(), 2U);
  answer(1, h2::kWhole);
  waiting.clear();
  hear();
  EXPECT_EQ(connection_->streams(), 0U);
  EXPECT_EQ(count(5, h2::kHeaders) + count(7, h2::kHeaders), 0U);
  EXPECT_TRUE(ask());
}

TEST_F(ClientConnectionTest, TheEndOfABodyWaitsForTheWindowNoLongerThanTheBodyItself) {
  open(0, h2::settings({{4, 0}}));
  const StreamPtr stream = ask(true, "POST");
  stream->set_write_idle(std::chrono::milliseconds(50), nullptr);
  EXPECT_FALSE(stream->write_last({}, nullptr));
  EXPECT_EQ(count(1, h2::kData), 0U);
  EXPECT_TRUE(harness_.run_until([&] { return static_cast<bool>(stream->write_error()); }));
  EXPECT_EQ(stream->write_error(), StreamError::write_idle);
  EXPECT_EQ(count(1, h2::kRstStream), 1U);
}

TEST_F(ClientConnectionTest, AnEndThatLeavesInTimeIsNotWaitedFor) {
  open(0, h2::settings({{4, 0}}));
  const StreamPtr stream = ask(true, "POST");
  stream->set_write_idle(std::chrono::milliseconds(50), nullptr);
  EXPECT_FALSE(stream->write_last({}, nullptr));
  say(h2::window(1, 1));
  EXPECT_EQ(count(1, h2::kData), 1U);
  const Clock::time_point later = Clock::now() + std::chrono::milliseconds(150);
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() >= later; }));
  EXPECT_FALSE(stream->write_error());
}

TEST_F(ClientConnectionTest, ARefusedConnectKeepsToItsLength) {
  open(0, h2::settings({{8, 1}}));
  const std::string head = h2::block({{":status", "403"}, {"content-length", "4"}});
  const std::string rests[] = {"", "abc", "abcd", "abcde"};
  std::uint32_t id = 1;
  for (const std::string& rest : rests) {
    const OutgoingRequest request{.method = "CONNECT", .scheme = "http", .target = "/", .headers = fields_, .protocol = "websocket"};
    const StreamPtr stream = connection_->open(request, true);
    hear();
    say(h2::headers(id, head, h2::kEndHeaders) + h2::data(id, rest));
    EXPECT_EQ(stream->take_head()->head.status, 403U);
    const bool right = rest.size() == 4;
    EXPECT_EQ(read(*stream), right ? rest : "");
    EXPECT_EQ(last_, right ? make_error_code(StreamError::eof) : std::make_error_code(std::errc::bad_message)) << rest;
    EXPECT_EQ(count(id, h2::kRstStream), right ? 0U : 1U) << rest;
    id += 2;
  }
}

TEST_F(ClientConnectionTest, LeavesWhenTheLastStreamIsDone) {
  open();
  const StreamPtr stream = ask();
  connection_->go_away();
  EXPECT_EQ(count(0, h2::kGoaway), 1U);
  EXPECT_EQ(ends_, 0);
  answer(1, h2::kWhole);
  EXPECT_EQ(ends_, 1);
  EXPECT_FALSE(end_error_);
  EXPECT_TRUE(stream->take_head());
}

TEST_F(ClientConnectionTest, StreamsOutliveTheirConnection) {
  open();
  const StreamPtr stream = ask(true, "POST");
  connection_.reset();
  EXPECT_EQ(stream->error(), StreamError::cancelled);
  EXPECT_TRUE(stream->write({"x"}));
  hear();
  EXPECT_EQ(count(0, h2::kGoaway), 1U);
}

}  // namespace
}  // namespace sluice::http2
