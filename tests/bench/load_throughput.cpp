#include <deque>
#include <memory>
#include <vector>

#include "load_modes.h"

namespace sluice::bench {
namespace {

// A connection and when each of its requests in flight was sent (or, at a fixed rate, was due).
struct Line {
  Line(const LoadPlan& plan, Poller& poller, int in_flight)
      : client(plan, poller, this), sent_at(static_cast<size_t>(in_flight)) {}

  void push(int64_t time) {
    sent_at[(first + waiting) % sent_at.size()] = time;
    ++waiting;
  }
  int64_t pop() {
    int64_t time = sent_at[first];
    first = (first + 1) % sent_at.size();
    --waiting;
    return time;
  }

  LoadClient client;
  std::vector<int64_t> sent_at;
  size_t first = 0;
  size_t waiting = 0;
  bool counted_ready = false;
};

class Throughput {
 public:
  Throughput(const LoadPlan& plan, const LoadOptions& options)
      : plan_(plan), options_(options), lines_(static_cast<size_t>(options.connections)) {}

  Result run();

 private:
  bool open_all();
  void run_until(int64_t end);
  void handle(const epoll_event& event);
  void replies_arrived(Line& line, int replies);
  void send_due();
  void replace(Line& failed);
  bool too_many_errors() const { return result_.errors > kMaxErrorsPerConnection * lines_.size(); }

  const LoadPlan& plan_;
  const LoadOptions& options_;
  Poller poller_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::deque<Line*> free_;  // at a fixed rate: one entry for each request that may be sent
  size_t ready_ = 0;
  bool running_ = false;
  bool measuring_ = false;
  int64_t next_due_ = 0;
  int64_t interval_ = 0;
  Result result_;
};

Result Throughput::run() {
  CpuClock cpu(options_.watch);
  if (!open_all()) {
    result_.errors += lines_.size() - ready_;
    return std::move(result_);
  }
  running_ = true;
  next_due_ = now_ns();
  if (options_.rate > 0) interval_ = static_cast<int64_t>(1e9 / options_.rate);
  for (auto& line : lines_) replies_arrived(*line, options_.in_flight);
  run_until(now_ns() + static_cast<int64_t>(options_.warmup * 1e9));

  measuring_ = true;
  int64_t begin = now_ns();
  int64_t cpu_begin = cpu.used_ns();
  run_until(begin + static_cast<int64_t>(options_.seconds * 1e9));
  // A short window on a starved machine: the first unit decides, within reason.
  while (result_.units == 0 && !too_many_errors() && now_ns() < begin + kOpenLimitNs)
    run_until(now_ns() + kPatienceNs);
  result_.cpu_ns = cpu.used_ns() - cpu_begin;
  result_.seconds = static_cast<double>(now_ns() - begin) / 1e9;
  return std::move(result_);
}

bool Throughput::open_all() {
  for (auto& line : lines_) line = std::make_unique<Line>(plan_, poller_, options_.in_flight);
  int64_t limit = now_ns() + kOpenLimitNs;
  while (ready_ < lines_.size() && now_ns() < limit && !too_many_errors()) run_until(now_ns() + 10'000'000);
  return ready_ == lines_.size();
}

void Throughput::run_until(int64_t end) {
  for (int64_t now = now_ns(); now < end && !too_many_errors(); now = now_ns()) {
    int64_t wake = interval_ > 0 && !free_.empty() ? std::min(end, std::max(next_due_, now)) : end;
    for (const epoll_event& event : poller_.wait(wake - now)) handle(event);
    if (interval_ > 0) send_due();
    if (!running_ && ready_ == lines_.size()) return;
  }
}

void Throughput::handle(const epoll_event& event) {
  Line& line = *static_cast<Line*>(event.data.ptr);
  int replies = line.client.on_ready(event.events);
  if (replies > static_cast<int>(line.waiting)) return replace(line);
  if (replies > 0) {
    int64_t now = now_ns();
    for (int i = 0; i < replies; ++i) {
      int64_t sent = line.pop();
      if (!measuring_) continue;
      ++result_.units;
      result_.latency.record(now - sent, now);
    }
    replies_arrived(line, replies);
  }
  if (line.client.state() == LoadClient::State::failed) return replace(line);
  if (line.client.state() == LoadClient::State::ready && !line.counted_ready) {
    line.counted_ready = true;
    ++ready_;
    if (running_) replies_arrived(line, options_.in_flight);
  }
}

// As many requests as answers came: at once, or when the rate says so.
void Throughput::replies_arrived(Line& line, int replies) {
  if (interval_ > 0) {
    for (int i = 0; i < replies; ++i) free_.push_back(&line);
    return;
  }
  int64_t now = now_ns();
  for (int i = 0; i < replies; ++i) line.push(now);
  line.client.send(replies);
}

// Latency counts from the moment a request was due, so that a stall is not hidden by sending less.
void Throughput::send_due() {
  for (int64_t now = now_ns(); next_due_ <= now && !free_.empty(); next_due_ += interval_) {
    Line& line = *free_.front();
    free_.pop_front();
    line.push(next_due_);
    line.client.send(1);
  }
}

void Throughput::replace(Line& failed) {
  ++result_.errors;
  if (failed.counted_ready) --ready_;
  std::erase(free_, &failed);
  for (auto& line : lines_) {
    if (line.get() != &failed) continue;
    line = std::make_unique<Line>(plan_, poller_, options_.in_flight);
    return;
  }
}

}  // namespace

Result run_throughput(const LoadPlan& plan, const LoadOptions& options) {
  return Throughput(plan, options).run();
}

}  // namespace sluice::bench
