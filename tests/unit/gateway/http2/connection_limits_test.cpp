// What a connection counts, how it leaves, and what it keeps and for how long.
#include "tests/unit/gateway/http2/connection_fixture.h"

namespace sluice::http2 {
namespace {

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
