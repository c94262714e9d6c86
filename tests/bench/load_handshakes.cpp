#include <memory>
#include <vector>

#include "load_modes.h"

namespace sluice::bench {
namespace {

struct Attempt {
  Attempt(const LoadPlan& plan, Poller& poller, size_t its_slot)
      : client(plan, poller, this), slot(its_slot) {}
  LoadClient client;
  size_t slot;
  int64_t started = now_ns();
};

class Handshakes {
 public:
  Handshakes(const LoadPlan& plan, const LoadOptions& options)
      : plan_(plan), options_(options), attempts_(static_cast<size_t>(options.connections)) {}

  Result run();

 private:
  void start(size_t slot);
  void run_until(int64_t end);
  void handle(const epoll_event& event);
  bool too_many_errors() const { return result_.errors > kMaxErrorsPerConnection * attempts_.size(); }

  const LoadPlan& plan_;
  const LoadOptions& options_;
  Poller poller_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  bool measuring_ = false;
  Result result_;
};

Result Handshakes::run() {
  CpuClock cpu(options_.watch);
  for (size_t slot = 0; slot < attempts_.size(); ++slot) start(slot);
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

void Handshakes::start(size_t slot) { attempts_[slot] = std::make_unique<Attempt>(plan_, poller_, slot); }

void Handshakes::run_until(int64_t end) {
  for (int64_t now = now_ns(); now < end && !too_many_errors(); now = now_ns()) {
    for (const epoll_event& event : poller_.wait(end - now)) handle(event);
  }
}

void Handshakes::handle(const epoll_event& event) {
  Attempt& attempt = *static_cast<Attempt*>(event.data.ptr);
  attempt.client.on_ready(event.events);
  if (attempt.client.state() == LoadClient::State::failed) {
    ++result_.errors;
    start(attempt.slot);
  } else if (attempt.client.state() == LoadClient::State::ready) {
    if (measuring_) {
      const int64_t now = now_ns();
      ++result_.units;
      result_.latency.record(now - attempt.started, now);
    }
    attempt.client.finish();
    start(attempt.slot);
  }
}

}  // namespace

Result run_handshakes(const LoadPlan& plan, const LoadOptions& options) {
  return Handshakes(plan, options).run();
}

}  // namespace sluice::bench
