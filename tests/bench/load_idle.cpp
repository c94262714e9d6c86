#include <unistd.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "load_modes.h"

namespace sluice::bench {
namespace {

// So many tunnels open, or carry bytes, at the same time: the proxy shall not need buffers for all at once.
constexpr size_t kAtOnce = 32;

struct Tunnel {
  Tunnel(const LoadPlan& plan, Poller& poller) : client(plan, poller, this) {}
  LoadClient client;
  bool open = false;
  uint64_t messages_left = 0;
};

class Idle {
 public:
  Idle(const LoadPlan& plan, const LoadOptions& options)
      : plan_(plan), options_(options), wanted_(static_cast<size_t>(options.connections)) {}

  Result run();

 private:
  void handle(const epoll_event& event);
  void read_command();
  void open_more();
  void carry_more();
  void say(const char* word);

  const LoadPlan& plan_;
  const LoadOptions& options_;
  size_t wanted_;
  Poller poller_;
  std::vector<std::unique_ptr<Tunnel>> tunnels_;
  size_t open_ = 0;
  size_t carrying_ = 0;
  size_t next_to_carry_ = 0;
  bool asked_to_carry_ = false;
  bool stop_ = false;
  Result result_;
};

Result Idle::run() {
  int64_t begin = now_ns();
  int64_t end = begin + static_cast<int64_t>(options_.seconds * 1e9);
  poller_.add_standard_input(nullptr);
  open_more();
  for (int64_t now = begin; now < end && !stop_ && result_.errors == 0; now = now_ns()) {
    for (const epoll_event& event : poller_.wait(end - now)) handle(event);
  }
  result_.units = open_;
  result_.seconds = static_cast<double>(now_ns() - begin) / 1e9;
  return std::move(result_);
}

void Idle::handle(const epoll_event& event) {
  if (event.data.ptr == nullptr) return read_command();
  Tunnel& tunnel = *static_cast<Tunnel*>(event.data.ptr);
  int replies = tunnel.client.on_ready(event.events);
  if (tunnel.client.state() == LoadClient::State::failed) {
    ++result_.errors;
    return;
  }
  if (tunnel.client.state() == LoadClient::State::ready && !tunnel.open) {
    tunnel.open = true;
    ++open_;
    open_more();
    if (open_ == wanted_) say("open");
  }
  if (replies == 0) return;
  if (--tunnel.messages_left > 0) return tunnel.client.send(1);
  --carrying_;
  carry_more();
  if (carrying_ == 0) say("carried");
}

void Idle::read_command() {
  char bytes[64];
  ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (got <= 0) {
    stop_ = true;
  } else if (!asked_to_carry_ && options_.carry > 0 && open_ == wanted_) {
    asked_to_carry_ = true;
    carry_more();
  }
}

void Idle::open_more() {
  while (tunnels_.size() < wanted_ && tunnels_.size() - open_ < kAtOnce) {
    tunnels_.push_back(std::make_unique<Tunnel>(plan_, poller_));
  }
}

void Idle::carry_more() {
  for (; carrying_ < kAtOnce && next_to_carry_ < tunnels_.size(); ++carrying_) {
    Tunnel& tunnel = *tunnels_[next_to_carry_++];
    tunnel.messages_left = (options_.carry + plan_.payloads[0].size() - 1) / plan_.payloads[0].size();
    tunnel.client.send(1);
  }
}

void Idle::say(const char* word) {
  std::printf("%s\n", word);
  std::fflush(stdout);
}

}  // namespace

Result run_idle(const LoadPlan& plan, const LoadOptions& options) { return Idle(plan, options).run(); }

}  // namespace sluice::bench
