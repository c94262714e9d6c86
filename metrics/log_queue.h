// The lines of one log on their way from any thread to the log's own. Bounded by their number and by their
// bytes: when either is reached the oldest go, so that whoever logs never waits, and whatever a client makes
// us log takes no more memory than that. Not spdlog's own queue, because that one counts lines alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <spdlog/common.h>  // circular_q.h needs it
#include <spdlog/details/circular_q.h>
#include <spdlog/details/log_msg_buffer.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>

namespace sluice::metrics {

class LogQueue {
 public:
  // A line that is longer than `bytes` waits alone.
  struct Bounds {
    std::size_t lines;
    std::size_t bytes;
  };

  // Starts the thread that writes to `sink`.
  LogQueue(Bounds bounds, std::shared_ptr<spdlog::sinks::sink> sink);
  // Waits until all that is queued is written: for as long as the sink does.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  void push(const spdlog::details::log_msg& message);
  // Has the sink flushed, before the lines that wait.
  void request_flush();

  bool empty() const;
  std::uint64_t dropped_lines() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  using Line = spdlog::details::log_msg_buffer;
  enum class Work { line, flush, none };

  void run();
  Work next_work(Line& line);
  Line take_oldest();  // with the mutex held
  void write(const Line& line);

  const Bounds bounds_;
  const std::shared_ptr<spdlog::sinks::sink> sink_;
  mutable std::mutex mutex_;  // guards the next five
  std::condition_variable work_;
  spdlog::details::circular_q<Line> lines_;
  std::size_t bytes_ = 0;  // of the texts in lines_
  bool flush_requested_ = false;
  bool ending_ = false;
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;  // the last member: it uses the others
};

// Puts what is logged into a queue. May outlive the queue; its lines are lost then.
class QueuedLogger final : public spdlog::logger {
 public:
  QueuedLogger(std::string name, spdlog::sink_ptr sink, std::weak_ptr<LogQueue> queue)
      : logger(std::move(name), std::move(sink)), queue_(std::move(queue)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (const auto queue = queue_.lock()) queue->push(message);
  }
  void flush_() override {
    if (const auto queue = queue_.lock()) queue->request_flush();
  }

 private:
  std::weak_ptr<LogQueue> queue_;
};

}  // namespace sluice::metrics
