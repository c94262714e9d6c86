#include "metrics/log_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::metrics {
namespace {

using ::testing::ElementsAre;

// Takes the first line and is stuck with it until it is released.
class StuckSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  void wait_until_stuck() {
    std::unique_lock lock(gate_);
    changed_.wait(lock, [this] { return !lines.empty(); });
  }
  void release() {
    const std::lock_guard lock(gate_);
    released_ = true;
    changed_.notify_all();
  }
  std::vector<std::string> lines;
  int flushes = 0;

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::unique_lock lock(gate_);
    lines.emplace_back(message.payload.data(), message.payload.size());
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
  }
  void flush_() override { ++flushes; }

 private:
  std::mutex gate_;
  std::condition_variable changed_;
  bool released_ = false;
};

class Queue : public ::testing::Test {
 protected:
  void start(LogQueue::Bounds bounds) {
    queue = std::make_unique<LogQueue>(bounds, sink);
    push("first");
    sink->wait_until_stuck();
  }
  void push(const std::string& text) {
    queue->push(spdlog::details::log_msg("test", spdlog::level::info, text));
  }
  void end() {
    sink->release();
    queue.reset();
  }

  std::shared_ptr<StuckSink> sink = std::make_shared<StuckSink>();
  std::unique_ptr<LogQueue> queue;
};

TEST_F(Queue, KeepsWhatFits) {
  start({3, 30});
  for (const char* text : {"0123456789", "abcdefghij", "ABCDEFGHIJ"}) push(text);
  EXPECT_EQ(queue->dropped_lines(), 0U);
  EXPECT_FALSE(queue->empty());
  end();
  EXPECT_THAT(sink->lines, ElementsAre("first", "0123456789", "abcdefghij", "ABCDEFGHIJ"));
}

TEST_F(Queue, DropsTheOldestLinesOverTheirNumber) {
  start({2, 1000});
  for (const char* text : {"1", "2", "3", "4"}) push(text);
  EXPECT_EQ(queue->dropped_lines(), 2U);
  end();
  EXPECT_THAT(sink->lines, ElementsAre("first", "3", "4"));
}

TEST_F(Queue, DropsTheOldestLinesOverTheirBytes) {
  start({100, 30});
  for (const char* text : {"0123456789", "abcdefghij", "ABCDEFGHIJ", "x"}) push(text);
  EXPECT_EQ(queue->dropped_lines(), 1U);
  push(std::string(20, 'y'));
  EXPECT_EQ(queue->dropped_lines(), 3U);
  end();
  EXPECT_THAT(sink->lines, ElementsAre("first", "x", std::string(20, 'y')));
}

TEST_F(Queue, ALineLongerThanAllMayWaitAlone) {
  start({100, 30});
  push("before");
  push(std::string(31, 'y'));
  EXPECT_EQ(queue->dropped_lines(), 1U);
  push("after");
  EXPECT_EQ(queue->dropped_lines(), 2U);
  end();
  EXPECT_THAT(sink->lines, ElementsAre("first", "after"));
}

TEST_F(Queue, FlushesWhenAsked) {
  start({100, 30});
  queue->request_flush();
  end();
  EXPECT_EQ(sink->flushes, 1);
}

TEST_F(Queue, ALoggerMayOutliveIt) {
  auto shared = std::make_shared<LogQueue>(LogQueue::Bounds{10, 100}, sink);
  QueuedLogger logger("test", sink, shared);
  sink->release();
  logger.info("one");
  shared.reset();
  logger.info("two");
  logger.flush();
  EXPECT_THAT(sink->lines, ElementsAre("one"));
}

}  // namespace
}  // namespace sluice::metrics
