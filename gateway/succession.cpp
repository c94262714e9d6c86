#include "gateway/succession.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>

#include "gateway/service_manager.h"
#include "metrics/log.h"

namespace sluice {
namespace {

// A successor that ends so soon after it has said that it serves is made up for: this one serves again.
constexpr std::chrono::milliseconds kStay{1000};  // at least, also when no connection is left
constexpr std::chrono::milliseconds kHold{5000};  // the listening sockets

}  // namespace

Succession::Succession(IoContext& context, Program program, Gateway gateway, GiveWay give_way)
    : context_(context), gateway_(gateway), give_way_(std::move(give_way)), replacement_(context, std::move(program)) {}

void Succession::begin() {
  if (::getpid() == 1) {
    return metrics::log().warn("SIGUSR2 is refused: this is the first process of a container, which ends with it; start a new "
                               "container and stop this one, it drains");
  }
  if (phase_ != Phase::serving) {
    return metrics::log().warn("SIGUSR2 is ignored: the gateway is {}", draining() ? "draining" : "being replaced already");
  }
  phase_ = Phase::starting;
  gateway_.live.freeze("the gateway is being replaced", [this] { start_successor(); });
}

void Succession::end() {
  replacement_.cancel();
  phase_ = Phase::ending;
}

void Succession::start_successor() {
  if (phase_ != Phase::starting) return;
  const LiveConfig::Workers& workers = gateway_.workers;
  std::vector<std::string> names = worker_names(workers.size());
  names.emplace_back("the health thread");
  const auto told = [this, number = ++attempts_](const RollCall::Outcome& outcome) { loops_expect_it(number, outcome); };
  const std::shared_ptr<RollCall> call = RollCall::begin(context_, std::move(names), told);
  const auto answer_of = [&call](std::size_t index) { return [answer = call->answer_of(index)] { answer(true); }; };
  for (std::size_t i = 0; i < workers.size(); ++i) workers[i]->expect_child(answer_of(i));
  gateway_.health.expect_child(answer_of(workers.size()));
}

void Succession::loops_expect_it(unsigned number, const RollCall::Outcome& outcome) {
  if (phase_ != Phase::starting || number != attempts_) return;  // given up meanwhile
  if (!outcome.silent.empty()) return successor_tells({0, outcome.silent + " does not answer", {}});
  try {
    replacement_.start(handover(), [this](const Replacement::Outcome& told) { successor_tells(told); });
  } catch (const std::exception& error) {
    replacement_.cancel();
    successor_tells({0, error.what(), {}});
  }
}

Handover Succession::handover() {
  LiveConfig& live = gateway_.live;
  Handover handover;
  handover.discovered = live.discovered();
  for (const OpenListener& listener : live.listeners().all()) {
    handover.listening.push_back({listener.config.name, listener.config.address.text(), listener.sockets, listener.ours});
  }
  if (gateway_.admin) handover.listening.push_back({"", live.started_with().admin->address.text(), {gateway_.admin->socket()}});
  // A service manager's that no listener has now.
  for (Handover::Sockets& kept : live.listeners().inherited().kept()) {
    const auto same = [&kept](const Handover::Sockets& one) { return one.address == kept.address; };
    if (std::none_of(handover.listening.begin(), handover.listening.end(), same)) handover.listening.push_back(std::move(kept));
  }
  return handover;
}

void Succession::successor_tells(const Replacement::Outcome& outcome) {
  if (outcome.pid == 0) {
    phase_ = Phase::serving;
    gateway_.lifecycle.replacements_failed.add();
    metrics::log().error("the gateway was not replaced and goes on: {}", outcome.failure);
    gateway_.live.thaw();
    if (std::exchange(reload_wanted_, false)) gateway_.live.reload({});
    return;
  }
  metrics::log().info("process {} serves in this one's place", outcome.pid);
  service_manager::main_process_is(outcome.pid);
  if (std::exchange(reload_wanted_, false)) ::kill(outcome.pid, SIGHUP);
  give_way(outcome);
}

void Succession::give_way(const Replacement::Outcome& outcome) {
  const auto has = [&unused = outcome.unused](int socket) { return std::find(unused.begin(), unused.end(), socket) == unused.end(); };
  std::vector<unsigned> held;
  dropped_.clear();
  for (const OpenListener& listener : gateway_.live.listeners().all()) {
    (has(listener.sockets.front()) ? held : dropped_).push_back(listener.id);
  }
  if (gateway_.admin) has(gateway_.admin->socket()) ? gateway_.admin->hold() : gateway_.admin->close();
  phase_ = Phase::giving_way;
  stays_until_ = Clock::now() + kStay;
  held_until_ = Clock::now() + kHold;
  give_way_(std::move(held));
}

bool Succession::watch(bool told_to_end) {
  const std::optional<Replacement::End> end = replacement_.successors_end();
  if (end && end->on_purpose) {
    metrics::log().info("the process that serves in this one's place has ended");
    drop_held();
    return false;
  }
  if (end) {
    gateway_.lifecycle.replacements_failed.add();
    const std::string text = "the process that serves in this one's place has ended" + end->how;
    if (phase_ == Phase::giving_way && !told_to_end) {
      metrics::log().error("{}; this one serves again", text);
      return true;
    }
    metrics::log().error("{}; this one drains and exits: unless a service manager starts the gateway again, nobody serves", text);
  }
  if (Clock::now() >= held_until_) drop_held();
  return false;
}

void Succession::drop_held() {
  if (phase_ != Phase::giving_way) return;
  phase_ = Phase::given_way;
  for (const std::unique_ptr<Worker>& worker : gateway_.workers) worker->drop_held();
  if (gateway_.admin) gateway_.admin->close();
}

// Who was asked to go goes; whoever comes is served.
void Succession::serve_again() {
  phase_ = Phase::serving;
  replacement_.forget_successor();
  service_manager::main_process_is(static_cast<int>(::getpid()));
  for (const std::unique_ptr<Worker>& worker : gateway_.workers) worker->serve_again();
  gateway_.live.listeners().forget(dropped_);
  gateway_.live.thaw();
  try {
    if (gateway_.admin) gateway_.admin->start();
  } catch (const std::system_error& error) {
    metrics::log().error("the admin listener cannot accept any more: {}", error.what());
  }
}

}  // namespace sluice
