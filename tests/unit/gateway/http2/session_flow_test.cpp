// Who may send how much, and in which order: windows, the bound of what is produced, priorities.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/h2_peer.h"
#include "tests/unit/gateway/http2/session_fixture.h"

namespace sluice::http2 {
namespace {

using namespace test::h2;
using test::H2Peer;
using testing::ElementsAre;
using testing::Le;

constexpr std::size_t kMiB = 1024 * 1024;

std::string opening() { return std::string(kPreface) + settings() + frame(kSettings, kAck, 0); }
std::string post(std::uint32_t id) { return headers(id, block(request("POST")), kEndHeaders); }
std::string get(std::uint32_t id, const Fields& more = {}) {
  return headers(id, block(request("GET", more)));
}

std::uint64_t given_back(const std::vector<Frame>& frames, std::uint32_t stream) {
  std::uint64_t sum = 0;
  for (const Frame& frame : frames) {
    if (frame.type == kWindowUpdate && frame.stream == stream) sum += frame.number_at(0, 4);
  }
  return sum;
}

std::size_t data_size(const std::vector<Frame>& frames, std::uint32_t stream) {
  std::size_t sum = 0;
  for (const Frame& frame : frames) {
    if (frame.type == kData && frame.stream == stream) sum += frame.payload.size();
  }
  return sum;
}

struct Flow : testing::Test {
  Flow() { server.session.feed(opening()); }

  void ask(std::uint32_t id, std::size_t answer, const Fields& more = {}) {
    server.session.feed(get(id, more));
    server.events.at(static_cast<StreamId>(id)).to_send.assign(answer, 'x');
    server.events.at(static_cast<StreamId>(id)).to_end = true;
    server.session.respond(static_cast<StreamId>(id), 200, {}, true);
  }
  // The streams in the order of their DATA frames.
  std::vector<std::uint32_t> order() {
    std::vector<std::uint32_t> ids;
    for (const Frame& frame : server.frames()) {
      if (frame.type == kData) ids.push_back(frame.stream);
    }
    return ids;
  }

  ServerEnd server;
};

TEST_F(Flow, OpensTheWindowOfTheConnectionAtOnce) { EXPECT_EQ(given_back(server.frames(), 0), kMiB - 65535); }

TEST_F(Flow, GivesTheConnectionsWindowBackAsDataComes) {
  server.produced();
  server.events.hold = true;
  std::uint64_t back = 0;
  for (std::uint32_t id = 1; id < 41; id += 2) {  // 20 streams with a full window each, which nobody reads
    server.session.feed(post(id));
    for (int i = 0; i < 3; ++i) server.session.feed(data(id, std::string(16384, 'a'), kNone));
    server.session.feed(data(id, std::string(65535 - 3 * 16384, 'a'), kNone));
    const auto frames = server.frames();
    back += given_back(frames, 0);
    EXPECT_EQ(given_back(frames, id), 0u);
  }
  EXPECT_GE(back, 20u * 65535 - kMiB / 2);
}

TEST_F(Flow, GivesAStreamsWindowBackAsItIsRead) {
  server.produced();
  server.events.hold = true;
  server.session.feed(post(1) + data(1, std::string(16384, 'a'), kNone) +
                      data(1, std::string(16384, 'a'), kNone));
  EXPECT_EQ(given_back(server.frames(), 1), 0u);
  server.session.consumed(1, 32768);
  EXPECT_EQ(given_back(server.frames(), 1), 32768u);
}

TEST_F(Flow, ResetsAStreamThatSendsMoreThanItsWindow) {
  server.produced();
  server.events.hold = true;
  server.session.feed(post(1));
  for (int i = 0; i < 4; ++i) server.session.feed(data(1, std::string(16384, 'a'), kNone));
  const auto frames = server.frames();
  ASSERT_FALSE(frames.empty());
  const Frame& last = frames.back();
  EXPECT_TRUE(last.type == kRstStream || last.type == kGoaway);
  EXPECT_EQ(last.number_at(last.type == kGoaway ? 4 : 0, 4),
            static_cast<std::uint32_t>(Code::flow_control_error));
  EXPECT_THAT(server.events.at(1).body.size(), Le(Session::kStreamWindow + Session::kFrameSize));
}

TEST_F(Flow, CountsPaddingAgainstWindows) {
  server.produced();
  server.session.feed(post(1));
  std::uint64_t back = 0;
  for (int i = 0; i < 1000; ++i) {  // 257 bytes each, of which one is content
    server.session.feed(frame(kData, kPadded, 1, std::string("\xff") + "a" + std::string(255, '\0')));
    back += given_back(server.frames(), 1);
  }
  EXPECT_EQ(server.events.at(1).body.size(), 1000u);
  EXPECT_GE(back, 257000u - 65535u / 2);
  EXPECT_FALSE(server.session.over());
}

TEST_F(Flow, GivesTheWindowOfLateDataBack) {
  server.produced();
  std::uint64_t back = 0;
  for (std::uint32_t id = 1; id < 201; id += 2) {
    server.session.feed(post(id));
    server.session.reset(static_cast<StreamId>(id), Code::cancel);
    back += given_back(server.frames(), 0);
    server.session.feed(data(id, std::string(16384, 'a'), kNone));
    back += given_back(server.frames(), 0);
  }
  EXPECT_GE(back, 100u * 16384 - kMiB / 2);
}

TEST_F(Flow, SendsAsMuchAsAWindowOfOneByteAllows) {
  server.session.feed(settings({{4, 1}}));
  ask(1, 3);
  EXPECT_EQ(data_size(server.frames(), 1), 1u);
  EXPECT_EQ(data_size(server.frames(), 1), 0u);
  server.session.feed(window(1, 1));
  EXPECT_EQ(data_size(server.frames(), 1), 1u);
  server.session.feed(window(1, 100));
  const auto frames = server.frames();
  EXPECT_EQ(data_size(frames, 1), 1u);
  EXPECT_EQ(frames.back().flags, kEndStream);
  EXPECT_TRUE(server.events.at(1).closed);
}

TEST_F(Flow, SendsWhenANewSettingOpensTheWindow) {  // RFC 9113 6.9.2
  server.session.feed(settings({{4, 0}}));
  ask(1, 1);
  EXPECT_EQ(data_size(server.frames(), 1), 0u);
  server.session.feed(settings({{4, 1}}));
  EXPECT_EQ(data_size(server.frames(), 1), 1u);
}

TEST_F(Flow, WaitsWhileAWindowIsNegative) {  // RFC 9113 6.9.2
  server.session.feed(settings({{4, 3}}));
  ask(1, 5);
  EXPECT_EQ(data_size(server.frames(), 1), 3u);
  server.session.feed(settings({{4, 2}}) + window(1, 1));  // -1, and then 0
  EXPECT_EQ(data_size(server.frames(), 1), 0u);
  server.session.feed(window(1, 1));
  EXPECT_EQ(data_size(server.frames(), 1), 1u);
}

TEST_F(Flow, LetsOthersPassAStreamWithoutAWindow) {
  server.session.feed(settings({{4, 0}}));
  ask(1, 10);
  ask(3, 10);
  server.session.feed(window(3, 10));
  const auto frames = server.frames();
  EXPECT_EQ(data_size(frames, 1), 0u);
  EXPECT_EQ(data_size(frames, 3), 10u);
}

TEST_F(Flow, HeadsWaitForNoWindow) {
  ask(1, 70000);
  server.produced();  // the connection's window is used up
  ask(3, 1);
  const auto frames = server.frames();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].type, kHeaders);
}

TEST_F(Flow, ProducesNoMoreThanAskedFor) {
  server.session.feed(settings({{4, 10 * kMiB}}) + window(0, 10 * kMiB));
  server.produced();
  ask(1, 200 * 1024);
  ask(3, 200 * 1024);
  std::size_t sum = 0;
  for (int round = 0; sum < 400 * 1024; ++round) {
    ASSERT_LT(round, 30);
    std::string out;
    server.session.produce(out, 20 * 1024);
    EXPECT_THAT(out.size(), Le(20 * 1024 + Session::kFrameSize + 9));
    std::string_view rest;
    const auto frames = split(out, &rest);
    EXPECT_EQ(rest, "");  // whole frames
    sum += data_size(frames, 1) + data_size(frames, 3);
    std::string nothing = out;
    server.session.produce(nothing, out.size());
    EXPECT_EQ(nothing, out);
  }
  EXPECT_EQ(server.produced(), "");
  EXPECT_TRUE(server.events.at(1).closed && server.events.at(3).closed);
}

TEST_F(Flow, StreamsThatSayNothingTakeTurns) {
  ask(1, 30000);
  ask(3, 30000);
  EXPECT_THAT(order(), ElementsAre(1, 3, 1, 3));
}

TEST_F(Flow, AStreamThatAsksForItComesWhole) {  // RFC 9218 4.2
  ask(1, 30000, {{"priority", "u=3"}});
  ask(3, 30000, {{"priority", "u=3"}});
  EXPECT_THAT(order(), ElementsAre(1, 1, 3, 3));
}

TEST_F(Flow, WhatIsUrgentComesFirst) {
  ask(1, 30000);
  ask(3, 30000, {{"priority", "u=1"}});
  EXPECT_THAT(order(), ElementsAre(3, 3, 1, 1));
}

TEST_F(Flow, APriorityUpdateIsHeeded) {
  const auto update = [](std::uint32_t id, std::string_view field) {
    return frame(0x10, 0, 0, number(id, 4) + std::string(field));
  };
  ask(1, 30000);
  ask(3, 30000);
  server.session.feed(update(3, "u=0"));
  EXPECT_THAT(order(), ElementsAre(3, 3, 1, 1));
}

TEST_F(Flow, APriorityUpdateMayComeBeforeItsRequest) {
  ask(1, 30000);
  server.session.feed(frame(0x10, 0, 0, number(3, 4) + "u=0"));
  ask(3, 30000);
  EXPECT_THAT(order(), ElementsAre(3, 3, 1, 1));
}

TEST_F(Flow, AStreamCanBeMadeToTakeTurns) {
  ask(1, 30000, {{"priority", "u=3"}});
  server.session.make_incremental(1);
  ask(3, 30000);
  EXPECT_THAT(order(), ElementsAre(1, 3, 1, 3));
}

TEST_F(Flow, CountsWhatAPeerThatDoesNotReadMakesIt) {
  server.produced();
  for (int i = 0; i < 500; ++i) server.session.feed(ping(1));
  EXPECT_GE(server.session.queued(), 500u);
  for (int i = 0; i < 501; ++i) server.session.feed(ping(1));
  const auto frames = server.frames();
  EXPECT_EQ(frames.back().type, kGoaway);
  EXPECT_EQ(server.session.fault(), Code::enhance_your_calm);
  EXPECT_TRUE(server.session.over());
}

}  // namespace
}  // namespace sluice::http2
