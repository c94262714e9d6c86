#include "metrics/log_queue.h"

#include <exception>
#include <utility>

namespace sluice::metrics {

LogQueue::LogQueue(Bounds bounds, std::shared_ptr<spdlog::sinks::sink> sink)
    : bounds_(bounds), sink_(std::move(sink)), lines_(bounds.lines), thread_([this] { run(); }) {}

LogQueue::~LogQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void LogQueue::push(const spdlog::details::log_msg& message) {
  Line line(message);  // copied before the lock is taken
  {
    const std::lock_guard lock(mutex_);
    const std::size_t size = line.payload.size();
    while (!lines_.empty() && (lines_.full() || bytes_ + size > bounds_.bytes)) {
      take_oldest();
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
    bytes_ += size;
    lines_.push_back(std::move(line));
  }
  work_.notify_one();
}

void LogQueue::request_flush() {
  {
    const std::lock_guard lock(mutex_);
    flush_requested_ = true;
  }
  work_.notify_one();
}

bool LogQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return lines_.empty();
}

// Moved out, for a place that was only passed over would keep its memory.
LogQueue::Line LogQueue::take_oldest() {
  Line line = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= line.payload.size();
  return line;
}

void LogQueue::run() {
  Line line;
  for (;;) {
    switch (next_work(line)) {
      case Work::line:
        write(line);
        break;
      case Work::flush:
        sink_->flush();
        break;
      case Work::none:
        return;
    }
  }
}

LogQueue::Work LogQueue::next_work(Line& line) {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return !lines_.empty() || flush_requested_ || ending_; });
  if (std::exchange(flush_requested_, false)) return Work::flush;
  if (lines_.empty()) return Work::none;
  line = take_oldest();
  return Work::line;
}

void LogQueue::write(const Line& line) {
  try {
    sink_->log(line);
  } catch (const std::exception&) {  // no memory for it: the thread must go on
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace sluice::metrics
