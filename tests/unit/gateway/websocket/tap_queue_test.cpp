#include "gateway/websocket/tap_queue.h"

#include <gtest/gtest.h>

namespace sluice::websocket {
namespace {

TappedFrame frame_of(std::size_t payload) {
  TappedFrame frame;
  frame.length = payload;
  frame.payload = std::string(payload, 'x');
  return frame;
}

class TapQueueTest : public ::testing::Test {
 protected:
  int woken_ = 0;
  TapQueue tap_{[this] { ++woken_; }};
};

TEST_F(TapQueueTest, WhatWasPutIsTakenOnce) {
  tap_.put(frame_of(1));
  tap_.put(frame_of(2));
  const TapQueue::Taken taken = tap_.take();
  ASSERT_EQ(taken.frames.size(), 2u);
  EXPECT_EQ(taken.frames[1].length, 2u);
  EXPECT_EQ(taken.missed, 0u);
  EXPECT_FALSE(taken.ended);
  EXPECT_TRUE(tap_.take().frames.empty());
}

TEST_F(TapQueueTest, WhoAskedInVainIsWokenOnce) {
  tap_.put(frame_of(1));
  EXPECT_EQ(woken_, 0) << "nobody has asked";
  tap_.take();
  tap_.put(frame_of(1));
  EXPECT_EQ(woken_, 0) << "there was something";
  tap_.take();
  tap_.take();
  tap_.put(frame_of(1));
  tap_.put(frame_of(1));
  EXPECT_EQ(woken_, 1);
}

TEST_F(TapQueueTest, FramesAreBounded) {
  for (std::size_t i = 0; i < TapQueue::kMostFrames + 7; ++i) tap_.put(frame_of(0));
  const TapQueue::Taken taken = tap_.take();
  EXPECT_EQ(taken.frames.size(), TapQueue::kMostFrames);
  EXPECT_EQ(taken.missed, 7u);
  tap_.put(frame_of(0));
  EXPECT_EQ(tap_.take().frames.size(), 1u) << "there is room again";
}

TEST_F(TapQueueTest, PayloadIsBounded) {
  for (std::size_t i = 0; i < TapQueue::kMostBytes / TapQueue::kMostPayload; ++i) tap_.put(frame_of(TapQueue::kMostPayload));
  tap_.put(frame_of(TapQueue::kMostPayload));
  tap_.put(frame_of(0));
  const TapQueue::Taken taken = tap_.take();
  EXPECT_EQ(taken.frames.size(), TapQueue::kMostBytes / TapQueue::kMostPayload);
  EXPECT_EQ(taken.missed, 2u) << "what is taken has no holes";
}

TEST_F(TapQueueTest, TheEndIsToldAndStays) {
  tap_.take();
  tap_.end();
  EXPECT_EQ(woken_, 1);
  EXPECT_TRUE(tap_.take().ended);
  EXPECT_TRUE(tap_.take().ended);
}

}  // namespace
}  // namespace sluice::websocket
