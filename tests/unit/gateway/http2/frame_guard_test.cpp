#include "gateway/http2/frame_guard.h"

#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"

namespace sluice::http2 {
namespace {

using namespace test::h2;
using metrics::Http2Violation;

const Glitches::Time kNow{std::chrono::hours(1)};

// Where the fault begins behind the preface, and which; frames behind it must not count.
struct Found {
  std::size_t good;
  Code fault;
};

Found walk(const std::string& frames, std::size_t step) {
  const std::string all = std::string(kPreface) + frames;
  FrameGuard guard;
  std::size_t good = 0;
  for (std::size_t at = 0; at < all.size(); at += step) {
    const std::string piece = all.substr(at, step);
    const FrameGuard::Step found = guard.check(piece, kNow);
    good += found.good;
    if (found.fault != Code::no_error) return {good - kPreface.size(), found.fault};
    EXPECT_EQ(found.good, piece.size());
  }
  return {good - kPreface.size(), Code::no_error};
}

// The last frame is the wrong one: before it everything may go on, and of it at most what came in earlier
// pieces.
void expect_fault(const std::string& before, const std::string& wrong, Code code) {
  const Found whole = walk(before + wrong + ping(1), 1 << 20);
  EXPECT_EQ(name_of(whole.fault), name_of(code));
  EXPECT_EQ(whole.good, before.size());
  for (std::size_t step = 1; step < 30; ++step) {
    const Found found = walk(before + wrong + ping(1), step);
    EXPECT_EQ(name_of(found.fault), name_of(code)) << step;
    EXPECT_GE(found.good, before.size()) << step;
    EXPECT_LT(found.good, before.size() + 13) << step;  // its header, and what a PRIORITY frame depends on
  }
}

void expect_good(const std::string& frames) {
  for (const std::size_t step : {1, 2, 3, 5, 7, 8, 9, 10, 13, 1000000}) {
    const Found found = walk(frames, step);
    EXPECT_EQ(name_of(found.fault), "NO_ERROR") << step;
    EXPECT_EQ(found.good, frames.size()) << step;
  }
}

std::string open(std::uint32_t id) { return headers(id, "block", kEndHeaders); }
std::string whole(std::uint32_t id) { return headers(id, "block"); }

TEST(FrameGuard, LetsAConversationPass) {
  expect_good(settings({{4, 100}}) + whole(1) + open(3) + data(3, "abc", kNone) + priority(3, 1) +
              window(3, 5) + ping(1) + open(5) + data(5, "", kEndStream) + data(3, "x", kNone) +
              headers(3, "trailers") + window(5, 1) + rst(5, 8) + priority(9, 3) + goaway(0, 0));
}

TEST(FrameGuard, NothingComesForAStreamThatHasEnded) {
  expect_fault(whole(1), data(1, "a"), Code::stream_closed);
  expect_fault(whole(1), data(1, "", kNone), Code::stream_closed);
  expect_fault(whole(1), whole(1), Code::stream_closed);
  expect_fault(open(1) + data(1, "a"), data(1, "a"), Code::stream_closed);
  expect_fault(open(1) + rst(1, 0), data(1, "a"), Code::stream_closed);
  expect_fault(open(1) + rst(1, 0), whole(1), Code::stream_closed);
  expect_fault(open(1) + whole(3) + open(5) + rst(1, 0) + whole(7), headers(3, "trailers"),
               Code::stream_closed);
}

TEST(FrameGuard, RemembersTheLast64) {
  std::string younger;
  for (std::uint32_t id = 3; id < 3 + 2 * 63; id += 2) younger += whole(id);
  expect_fault(whole(1) + younger, data(1, "a"), Code::stream_closed);
  expect_good(whole(1) + younger + whole(3 + 2 * 63) + data(1, "a"));  // it cannot know any more
}

TEST(FrameGuard, AStreamThatWasSkippedIsNeverOpened) {
  expect_fault(whole(5), whole(1), Code::protocol_error);
  expect_fault(whole(5), open(3), Code::protocol_error);
  expect_fault(whole(5), data(3, "a"), Code::protocol_error);
  expect_fault(whole(1) + whole(7) + whole(9), whole(5), Code::protocol_error);
  expect_fault(whole(1) + whole(7) + whole(9) + whole(101), whole(3), Code::protocol_error);
  expect_good(whole(1) + open(7) + data(7, "a", kNone) + headers(7, "trailers"));
}

TEST(FrameGuard, PriorityOfWhatCanHaveNone) {
  expect_fault(whole(1), priority(0, 1), Code::protocol_error);
  expect_fault(whole(1), priority(3, 3), Code::protocol_error);
  expect_fault("", priority(1, 0x80000001U), Code::protocol_error);  // exclusive
  expect_good(frame(kPriority, 0, 1, number(1, 4)));                 // of a wrong size, which is not for here
  expect_good(frame(kPriority, 0, 3, number(3, 4) + "12"));
  expect_good(frame(kPriority, 0, 3, ""));
}

TEST(FrameGuard, CountsTheFramesOfOneHead) {
  std::string head = headers(1, "block", kEndStream);
  for (int i = 0; i < 8; ++i) head += continuation(1, "more", kNone);
  expect_fault(head, continuation(1, "more"), Code::enhance_your_calm);
  const auto in_two = [](std::uint32_t id) {
    return headers(id, "block", kEndStream) + continuation(id, "more");
  };
  std::string heads;
  for (std::uint32_t id = 1; id < 41; id += 2) heads += in_two(id);
  expect_good(heads);
}

std::string times(int count, const std::string& frames) {
  std::string all;
  for (int i = 0; i < count; ++i) all += frames;
  return all;
}

Http2Violation violation_of(const std::string& frames) {
  FrameGuard guard;
  guard.check(std::string(kPreface) + frames, kNow);
  return guard.violation();
}

TEST(FrameGuard, CountsWhatServesNobody) {
  const std::string unknown = frame(0x42, kNone, 7, "what is this");
  const std::string padded = frame(kData, kPadded, 1, std::string("\3\0\0\0", 4));
  for (const std::string& idle : {ping(1), ping(1, kAck), settings(), frame(kSettings, kAck, 0), priority(3, 1), unknown, goaway(0, 0),
                                  frame(16, kNone, 0, number(3, 4) + "u=1"), data(1, "", kNone), padded, rst(1, 8)}) {
    // The first reset is one, all others are of a stream that is closed.
    const std::string before = open(1) + (idle == rst(1, 8) ? idle : "");
    expect_fault(before + times(1001, idle), idle, Code::enhance_your_calm);
    EXPECT_EQ(violation_of(before + times(1002, idle)), Http2Violation::idle_frames);
  }
  expect_good(open(1) + times(1100, data(1, "a", kNone) + frame(kData, kPadded, 1, std::string("\3a\0\0\0", 5))));
}

TEST(FrameGuard, CountsEndsOfWhatItMayHaveForgotten) {
  std::string streams;
  for (std::uint32_t id = 1; id < 400; id += 2) streams += whole(id);
  // They take one another's place, so that neither is known to have ended.
  const std::string ends = data(1, "") + data(129, "");
  expect_good(streams + times(600, ends));
  EXPECT_EQ(violation_of(streams + times(601, ends)), Http2Violation::idle_frames);
  const std::string heads = whole(1) + whole(129) + whole(257);
  EXPECT_EQ(violation_of(streams + times(401, heads)), Http2Violation::idle_frames);
}

TEST(FrameGuard, CountsWindowUpdates) {
  expect_fault(open(1) + times(501, window(1, 1) + window(0, 1)), window(1, 1), Code::enhance_your_calm);
  EXPECT_EQ(violation_of(open(1) + times(1003, window(1, 1))), Http2Violation::window_updates);
  FrameGuard guard;
  for (int i = 0; i < 100; ++i) guard.data_sent();
  EXPECT_EQ(guard.check(std::string(kPreface) + open(1) + times(1402, window(1, 1)), kNow).fault, Code::no_error);
  EXPECT_EQ(guard.check(window(1, 1), kNow).fault, Code::enhance_your_calm);
}

TEST(FrameGuard, CountsResetsOfWhatIsNotAnswered) {
  FrameGuard guard;
  guard.check(kPreface, kNow);
  for (std::uint32_t id = 1; id < 4 * 228; id += 4) {
    guard.check(whole(id) + whole(id + 2), kNow);
    guard.finished(static_cast<StreamId>(id));
    EXPECT_EQ(guard.check(rst(id, 8) + rst(id + 2, 8), kNow).fault, Code::no_error);
  }
  EXPECT_EQ(guard.check(whole(1001) + rst(1001, 8), kNow).fault, Code::enhance_your_calm);
  EXPECT_EQ(guard.violation(), Http2Violation::max_resets);
}

TEST(FrameGuard, KnowsWhetherAHeadIsUnderWay) {
  FrameGuard guard;
  guard.check(kPreface, kNow);
  const auto after = [&guard](std::string_view bytes) {
    guard.check(bytes, kNow);
    return guard.head_under_way();
  };
  EXPECT_EQ(after(ping(1)), 0u);
  const std::string first = headers(1, "block", kNone), rest = continuation(1, "more");
  EXPECT_EQ(after(first.substr(0, 9)), 1u);
  EXPECT_EQ(after(first.substr(9)), 1u);
  EXPECT_EQ(after(rest.substr(0, rest.size() - 1)), 1u);
  EXPECT_EQ(after(rest.substr(rest.size() - 1)), 0u);
  EXPECT_EQ(after(whole(3) + open(5).substr(0, 12)), 3u);
  EXPECT_EQ(after(open(5).substr(12)), 0u);
  EXPECT_EQ(after(headers(5, "trailers").substr(0, 10)), 4u);
}

TEST(FrameGuard, WithinAHeadOthersWatch) {
  expect_good(whole(1) + headers(3, "block", kNone) + data(1, "a"));
  expect_fault(whole(1) + headers(3, "block", kNone) + continuation(3, "more"), data(1, "a"),
               Code::stream_closed);
}

TEST(FrameGuard, AFaultIsTheLastWord) {
  FrameGuard guard;
  guard.check(std::string(kPreface) + priority(0, 1), kNow);
  const FrameGuard::Step step = guard.check(ping(1), kNow);
  EXPECT_EQ(step.good, 0u);
  EXPECT_EQ(step.fault, Code::protocol_error);
}

// Whose answers have no DATA, and all at once.
TEST(FrameGuard, AllowsAPriorityAndAWiderWindowWithEachRequest) {
  std::string frames;
  for (std::uint32_t id = 1; id < 10'000; id += 2) frames += whole(id) + window(id, 1'000'000) + window(0, 1000) + priority(id, 0);
  expect_good(frames);
}

}  // namespace
}  // namespace sluice::http2
