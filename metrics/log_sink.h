// Where log lines end: a spdlog sink over a file descriptor, and the formats of a line. The sink belongs to
// the log thread of its queue (to any thread, under base_sink's mutex, for the synchronous logger);
// request_reopen() and lost_lines() may be called from anywhere and never wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "config/service_config.h"

namespace sluice::metrics {

class LogQueue;

// Why `path` could not be opened for a log; empty: it can be. Opens and makes nothing.
std::string problem_with_log(const std::string& path);

// Lines gather in a buffer while more of them wait in the queue, and are written when it is empty or the
// buffer is full: one write for many lines under load, none held back otherwise.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // "/dev/stdout" and "/dev/stderr" mean the descriptor itself: opening such a path fails for a socket, and
  // gives a file an offset of its own. Throws std::runtime_error when `path` cannot be opened.
  DescriptorSink(std::string path, std::unique_ptr<spdlog::formatter> formatter);
  ~DescriptorSink() override;

  // The queue to look at before writing; none: each line is written at once. Set before the first line. A
  // plain pointer, for the lines come from the queue's own thread, which ends before the queue does; were
  // that thread to own a share of the queue, it might become the one to destroy it and wait for itself.
  void set_queue(const LogQueue* queue) { queue_ = queue; }
  // Told of errors, once for each series of them. Set before the first line; it must not log to this sink
  // synchronously.
  void set_error_report(std::function<void(const std::string&)> report) { report_ = std::move(report); }
  // Opens the path again before the next write or flush; a file that cannot be opened leaves the old one in
  // use.
  void request_reopen() noexcept { reopen_requested_.store(true, std::memory_order_relaxed); }
  // Lines that could not be written.
  std::uint64_t lost_lines() const noexcept { return lost_lines_.load(std::memory_order_relaxed); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;

 private:
  void reopen();
  void write_out();
  void report_failure(const char* action, int error, const char* consequence);

  const std::string path_;
  int descriptor_;
  const LogQueue* queue_ = nullptr;
  std::function<void(const std::string&)> report_;
  std::atomic<bool> reopen_requested_{false};
  std::atomic<std::uint64_t> lost_lines_{0};
  spdlog::memory_buf_t buffer_;
  std::uint64_t buffered_lines_ = 0;
  bool failing_ = false;
  bool torn_line_ = false;  // the last write ended within a line
};

// "2025-01-31T09:30:00.123Z info message", or a JSON object with time, level and message.
std::unique_ptr<spdlog::formatter> make_process_log_formatter(config::LogFormat format);
// The message and a line end.
std::unique_ptr<spdlog::formatter> make_plain_formatter();

}  // namespace sluice::metrics
