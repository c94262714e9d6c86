#include "metrics/log.h"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "metrics/log_queue.h"
#include "metrics/log_sink.h"
#include "metrics/signals_blocked.h"

namespace sluice::metrics {

namespace {

// What may wait. The places alone take some 400 bytes each, 4 MiB for both; a line's text comes on top when
// it does not fit into its place. Usual access lines (500 bytes) fill their places first; with the longest
// that a client can make (about 10 KiB, see kMaxText) the bytes are the bound.
constexpr LogQueue::Bounds kProcessQueue{2048, std::size_t{4} << 20};
constexpr LogQueue::Bounds kAccessQueue{8192, std::size_t{16} << 20};
constexpr std::chrono::milliseconds kShutdownLimit{500};  // for each of the two

// A logger with a queue and a thread of its own: an access log that is stuck must not silence the process
// log.
struct Channel {
  std::shared_ptr<DescriptorSink> sink;
  std::shared_ptr<LogQueue> queue;
  std::shared_ptr<spdlog::logger> logger;

  std::uint64_t dropped() const { return queue ? queue->dropped_lines() + sink->lost_lines() : 0; }
};

Channel open_channel(const char* name, LogQueue::Bounds bounds, const std::string& path,
                     std::unique_ptr<spdlog::formatter> formatter) {
  Channel channel;
  channel.sink = std::make_shared<DescriptorSink>(path, std::move(formatter));
  const SignalsBlocked blocked;
  channel.queue = std::make_shared<LogQueue>(bounds, channel.sink);
  channel.sink->set_queue(channel.queue.get());
  channel.logger = std::make_shared<QueuedLogger>(name, channel.sink, channel.queue);
  return channel;
}

// Writes out what is queued and ends the thread. On a thread of its own, since it waits for as long as the
// sink does.
std::future<void> close_channel(Channel& channel) {
  std::promise<void> done;
  std::future<void> finished = done.get_future();
  const SignalsBlocked blocked;
  std::thread([queue = std::move(channel.queue), sink = channel.sink, done = std::move(done)]() mutable {
    queue.reset();
    sink->flush();
    sink.reset();
    done.set_value();
  }).detach();
  return finished;
}

spdlog::level::level_enum level_of(config::LogLevel level) noexcept {
  switch (level) {
    case config::LogLevel::trace:
      return spdlog::level::trace;
    case config::LogLevel::debug:
      return spdlog::level::debug;
    case config::LogLevel::info:
      return spdlog::level::info;
    case config::LogLevel::warn:
      return spdlog::level::warn;
    case config::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

struct Logs {
  Logs()
      : fallback("sluice", std::make_shared<DescriptorSink>(
                               "/dev/stderr", make_process_log_formatter(config::LogFormat::text))),
        current_process(&fallback) {}

  spdlog::logger fallback;
  std::mutex mutex;  // guards the channels, not the logging
  Channel process;
  Channel access;
  // Loggers stay after shutdown_logs(): somebody may still hold a reference to one.
  std::vector<std::shared_ptr<spdlog::logger>> ended;
  std::uint64_t dropped_before = 0;
  std::atomic<spdlog::logger*> current_process;
  std::atomic<spdlog::logger*> current_access{nullptr};
  std::atomic<config::AccessLogFormat> format{config::AccessLogFormat::off};
};

// Never destroyed: a log thread that shutdown_logs() gave up waiting for may outlive main.
Logs& logs() {
  static Logs* const instance = new Logs;
  return *instance;
}

}  // namespace

void start_logs(const config::Log& log_config, const config::AccessLog& access_config) {
  Channel access;
  if (access_config.format != config::AccessLogFormat::off) {
    access = open_channel("access", kAccessQueue, access_config.file, make_plain_formatter());
    access.sink->set_error_report([](const std::string& error) { log().error("{}", error); });
  }
  Channel process =
      open_channel("sluice", kProcessQueue, "/dev/stderr", make_process_log_formatter(log_config.format));
  process.logger->set_level(level_of(log_config.level));

  Logs& all = logs();
  const std::lock_guard lock(all.mutex);
  all.process = std::move(process);
  all.access = std::move(access);
  all.format = access_config.format;
  all.current_access = all.access.logger.get();
  all.current_process = all.process.logger.get();
}

std::string access_log_problem(const config::AccessLog& access_log) {
  return access_log.format == config::AccessLogFormat::off ? "" : problem_with_log(access_log.file);
}

void shutdown_logs() {
  Logs& all = logs();
  const std::lock_guard lock(all.mutex);
  all.current_process = &all.fallback;
  all.current_access = nullptr;
  // One after the other: the access log's thread may still be reporting an error to the process log.
  for (Channel* channel : {&all.access, &all.process}) {
    if (!channel->logger) continue;
    all.dropped_before += channel->dropped();
    all.ended.push_back(channel->logger);
    close_channel(*channel).wait_for(kShutdownLimit);
    *channel = {};
  }
}

void reopen_logs() {
  Logs& all = logs();
  const std::lock_guard lock(all.mutex);
  if (!all.access.logger) return;
  all.access.sink->request_reopen();
  // Wakes the log thread, so that the old file is let go of even when no request comes.
  all.access.logger->flush();
}

spdlog::logger& log() { return *logs().current_process.load(std::memory_order_acquire); }

spdlog::logger* access_log() { return logs().current_access.load(std::memory_order_acquire); }

config::AccessLogFormat access_log_format() { return logs().format.load(std::memory_order_relaxed); }

std::uint64_t dropped_log_lines() {
  Logs& all = logs();
  const std::lock_guard lock(all.mutex);
  return all.dropped_before + all.process.dropped() + all.access.dropped();
}

}  // namespace sluice::metrics
