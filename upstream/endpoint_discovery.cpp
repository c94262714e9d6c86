#include "upstream/endpoint_discovery.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "metrics/log.h"
#include "metrics/signals_blocked.h"

namespace sluice::upstream {
namespace {

constexpr std::chrono::milliseconds kLongestWait{60'000};
constexpr std::chrono::milliseconds kPauseAfterShortage{1'000};
// Lookups of many gateways must not come together.
constexpr double kJitter = 0.1;

std::string endpoints_text(std::size_t count) { return count == 1 ? "1 endpoint" : std::to_string(count) + " endpoints"; }

// Those of `some` that are not among `others`.
std::size_t count_missing(const std::vector<config::Endpoint>& some, const std::vector<config::Endpoint>& others) {
  return static_cast<std::size_t>(std::count_if(some.begin(), some.end(), [&others](const config::Endpoint& one) {
    return std::none_of(others.begin(), others.end(), [&one](const config::Endpoint& other) { return other.url == one.url; });
  }));
}

}  // namespace

// One entry that is looked up. `answers` are of the lookup that is under way: it has `open` questions; 0: none is under way.
struct EndpointDiscovery::Watch {
  DiscoveryEntry entry;
  Clock::time_point due = Clock::now();
  LookupAnswers answers = {};
  std::size_t open = 0;
  LastAnswer last = {};
  std::optional<DnsOutcome> outcome = {};  // of the last lookup
  bool told_of_cut = false;
  std::int64_t answered_at = 0;  // seconds since the epoch
};

EndpointDiscovery::EndpointDiscovery(metrics::Registry& registry, std::function<void()> changed)
    : registry_(registry), changed_(std::move(changed)) {}

void EndpointDiscovery::use(std::set<DiscoveryEntry> entries, config::Resolver resolver) {
  if (!thread_.joinable() && entries.empty()) return;
  if (!wake_) {
    wake_ = tls::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) throw std::system_error(errno, std::system_category(), "endpoints cannot be discovered: eventfd");
  }
  {
    const std::lock_guard lock(mutex_);
    wanted_ = std::move(entries);
    resolver_ = std::move(resolver);
    ++wishes_;
    for (const DiscoveryEntry& entry : wanted_) {
      std::vector<config::Endpoint>& known = known_[entry.upstream][entry.settings];
      if (known.empty()) known = known_answer(entry.settings, known_);
      if (known.empty()) known = known_answer(entry.settings, handed_over_);
    }
    handed_over_.clear();  // it may be old by the next time
    std::erase_if(tried_, [this](const DiscoveryEntry& entry) { return !wanted_.contains(entry); });
    for (auto& [upstream, found] : known_) {
      std::erase_if(found, [&](const auto& one) { return !wanted_.contains({upstream, one.first}); });
    }
  }
  if (!thread_.joinable()) {
    const metrics::SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }
  wake();
}

bool EndpointDiscovery::is_settled() const {
  const std::lock_guard lock(mutex_);
  return tried_.size() == wanted_.size();
}

void EndpointDiscovery::wait(std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  settled_.wait_for(lock, patience, [this] { return tried_.size() == wanted_.size(); });
}

EndpointDiscovery::Known EndpointDiscovery::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

void EndpointDiscovery::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void EndpointDiscovery::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void EndpointDiscovery::run() {
  ::pthread_setname_np(::pthread_self(), "discovery");
  for (;;) {
    std::uint64_t calls = 0;
    [[maybe_unused]] const ssize_t drained = ::read(wake_.get(), &calls, sizeof calls);
    try {
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
      turn();
    } catch (const std::exception& error) {  // memory or descriptors ran out: what is known stays, and all is asked again
      metrics::log().error("discovery: {}", error.what());
      forget_client();
      pollfd pause{wake_.get(), POLLIN, 0};
      ::poll(&pause, 1, static_cast<int>(kPauseAfterShortage.count()));
    }
  }
}

// Lookups that are under way begin anew.
void EndpointDiscovery::forget_client() noexcept {
  client_.reset();
  for (const auto& [entry, watch] : watches_) {
    if (std::exchange(watch->open, 0) != 0) watch->due = Clock::now();
  }
}

void EndpointDiscovery::take_wishes() {
  std::set<DiscoveryEntry> wanted;
  Known known;
  config::Resolver resolver;
  unsigned wishes = 0;
  {
    const std::lock_guard lock(mutex_);
    if (wishes_ == taken_wishes_) return;
    wanted = wanted_;
    known = known_;
    resolver = resolver_;
    wishes = wishes_;
  }
  if (asked_ != resolver) {
    asked_ = resolver;
    forget_client();
    for (const auto& [entry, watch] : watches_) watch->due = Clock::now();
  }
  std::erase_if(watches_, [&wanted](const auto& watch) { return !wanted.contains(watch.first); });
  for (const DiscoveryEntry& entry : wanted) {
    if (!watches_.contains(entry)) {
      auto watch = std::make_shared<Watch>(Watch{entry});
      watch->last = LastAnswer(std::move(known[entry.upstream][entry.settings]));
      watches_.emplace(entry, std::move(watch));
    }
    if (!metrics_.contains(entry.upstream)) metrics_.try_emplace(entry.upstream, registry_, entry.upstream);
  }
  for (const auto& [upstream, metrics] : metrics_) count(upstream);
  taken_wishes_ = wishes;
}

void EndpointDiscovery::turn() {
  if (untold_) {
    changed_();
    untold_ = false;
  }
  take_wishes();
  if (client_ && client_->is_idle() && client_->is_outdated()) client_.reset();
  if (!client_) client_.emplace(asked_);
  const Clock::time_point now = Clock::now();
  Clock::time_point next = now + kLongestWait;
  for (const auto& [entry, watch] : watches_) {
    if (watch->open == 0 && watch->due <= now) look_up(watch);
    if (watch->open == 0) next = std::min(next, watch->due);
  }
  const auto until = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  client_->poll(std::max(until, std::chrono::milliseconds(0)), wake_.get());
}

void EndpointDiscovery::look_up(const std::shared_ptr<Watch>& watch) {
  const config::Discovery& asked = watch->entry.settings;
  watch->answers = {};
  if (asked.kind == config::Discovery::Kind::dns) {
    watch->answers.services = {{asked.name, asked.port, 0, static_cast<std::uint16_t>(asked.weight)}};
    return ask_addresses(watch);
  }
  client_->ask_services(asked.name, watch.get(), [this, watch](DnsAnswer<ServiceRecord> answer) {
    watch->open = 0;
    watch->answers.failed = answer.outcome == DnsOutcome::failed;
    watch->answers.problem = std::move(answer.problem);
    watch->answers.services = usable_services(std::move(answer.records));
    if (watch->answers.services.empty()) return ended(*watch);
    ask_addresses(watch);
  });
  watch->open = 1;
}

void EndpointDiscovery::ask_addresses(const std::shared_ptr<Watch>& watch) {
  const bool search = watch->entry.settings.kind == config::Discovery::Kind::dns;  // targets are whole names
  std::set<std::string> names;
  for (const ServiceRecord& service : watch->answers.services) names.insert(service.target);
  watch->open = 2 * names.size();
  for (const std::string& name : names) {
    for (const AddressFamily family : {AddressFamily::v4, AddressFamily::v6}) {
      client_->ask_addresses(name, family, search, watch.get(), [this, watch, name, family](DnsAnswer<std::string> answer) {
        LookupAnswers& answers = watch->answers;
        if (answers.problem.empty() || (answer.outcome == DnsOutcome::failed && !answers.failed)) answers.problem = answer.problem;
        if (answer.outcome == DnsOutcome::failed) {
          answers.failed = true;
        } else {
          answers.addresses[{name, family}] = std::move(answer.records);
        }
        if (--watch->open == 0) ended(*watch);
      });
    }
  }
}

void EndpointDiscovery::ended(Watch& watch) {
  const std::chrono::milliseconds refresh = watch.entry.settings.refresh;
  const double share = std::uniform_real_distribution<double>(1 - kJitter, 1 + kJitter)(random_);
  watch.due = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(share * static_cast<double>(refresh.count())));
  const auto current = watches_.find(watch.entry);
  if (current == watches_.end() || current->second.get() != &watch) return;  // it was let go meanwhile
  const std::vector<config::Endpoint> before = watch.last.endpoints();
  const DnsOutcome outcome = watch.last.take(watch.entry.settings, watch.answers);
  if (outcome == DnsOutcome::found) watch.answered_at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  tell_of(watch, outcome, before);
  watch.outcome = outcome;
  metrics::DiscoveryMetrics& metrics = metrics_.at(watch.entry.upstream);
  (outcome == DnsOutcome::found ? metrics.found : outcome == DnsOutcome::empty ? metrics.empty : metrics.failed).add();
  count(watch.entry.upstream);
  {
    const std::lock_guard lock(mutex_);
    if (!wanted_.contains(watch.entry)) return;
    std::vector<config::Endpoint>& known = known_[watch.entry.upstream][watch.entry.settings];
    if (known != watch.last.endpoints()) {
      known = watch.last.endpoints();
      untold_ = true;
    }
    tried_.insert(watch.entry);
  }
  settled_.notify_all();
}

// Once for each change, not for each lookup.
void EndpointDiscovery::tell_of(Watch& watch, DnsOutcome outcome, const std::vector<config::Endpoint>& before) {
  const std::string what = "upstream " + watch.entry.upstream + ": " + watch.entry.settings.text();
  const std::vector<config::Endpoint>& endpoints = watch.last.endpoints();
  const std::size_t now = endpoints.size();
  if (outcome == DnsOutcome::found) {
    if (watch.outcome != outcome || endpoints != before) {
      metrics::log().info("{} leads to {}, {} of them new; {} are gone", what, endpoints_text(now), count_missing(endpoints, before),
                          count_missing(before, endpoints));
    }
  } else if (watch.outcome != outcome) {
    metrics::log().warn("{} {}: {}; {}", what, outcome == DnsOutcome::empty ? "leads to no endpoint" : "cannot be looked up",
                        watch.answers.problem, now == 0 ? "there is no earlier answer" : "the last answer stays in use: " + endpoints_text(now));
  }
  if (watch.last.is_cut() && !watch.told_of_cut) {
    metrics::log().warn("{} leads to more than {} endpoints; the others are left out", what, kMostDiscovered);
  }
  watch.told_of_cut = watch.last.is_cut();
}

void EndpointDiscovery::count(const std::string& upstream) {
  std::int64_t endpoints = 0;
  std::optional<std::int64_t> oldest;
  for (const auto& [entry, watch] : watches_) {
    if (entry.upstream != upstream) continue;
    endpoints += static_cast<std::int64_t>(watch->last.endpoints().size());
    oldest = std::min(oldest.value_or(watch->answered_at), watch->answered_at);
  }
  metrics::DiscoveryMetrics& metrics = metrics_.at(upstream);
  metrics.endpoints.set(endpoints);
  metrics.answered_at.set(oldest.value_or(0));
}

}  // namespace sluice::upstream
