#include "upstream/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "metrics/log.h"

namespace sluice::upstream {
namespace {

struct AddrinfoFree {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

// Sorted, so that the same answer in another order is no change.
Addresses look_up(const Resolver::Name& name, int flags, std::string& error) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int result = ::getaddrinfo(name.first.c_str(), std::to_string(name.second).c_str(), &hints, &list);
  Addresses addresses;
  if (result != 0) {
    error = ::gai_strerror(result);
    return addresses;
  }
  const std::unique_ptr<addrinfo, AddrinfoFree> owner(list);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    addresses.emplace_back(entry->ai_addr, entry->ai_addrlen);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

struct Resolver::State {
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::size_t tried = 0;  // names that were looked up at least once
  std::vector<Name> names;
  std::map<Name, Addresses> known;
  Changed changed;

  static void run(const std::shared_ptr<State>& state, const Name& name);
  void resolve(const Name& name);
};

void Resolver::State::resolve(const Name& name) {
  std::string error;
  Addresses found = look_up(name, AI_ADDRCONFIG, error);
  if (found.empty()) found = look_up(name, 0, error);  // AI_ADDRCONFIG hides loopback-only hosts
  const std::lock_guard lock(mutex);
  if (stopping) return;
  if (found.empty()) {
    metrics::log().warn("cannot resolve {}: {}; {}", name.first, error,
                        known.contains(name) ? "the last answer stays in use" : "its endpoint gets no requests");
    return;
  }
  Addresses& last = known[name];
  if (last == found) return;
  last = found;
  changed(name, std::make_shared<const Addresses>(std::move(found)));
}

void Resolver::State::run(const std::shared_ptr<State>& state, const Name& name) {
  for (bool first = true;; first = false) {
    state->resolve(name);
    std::unique_lock lock(state->mutex);
    if (first) ++state->tried;
    state->wake.notify_all();
    if (state->wake.wait_for(lock, kRefresh, [&state] { return state->stopping; })) return;
  }
}

std::optional<Addresses> Resolver::parse_literal(const Name& name) {
  std::string error;
  Addresses addresses = look_up(name, AI_NUMERICHOST | AI_NUMERICSERV, error);
  if (addresses.empty()) return std::nullopt;
  return addresses;
}

Resolver::Resolver(std::vector<Name> names, Changed changed) : state_(std::make_shared<State>()) {
  state_->names = std::move(names);
  state_->changed = std::move(changed);
}

Resolver::~Resolver() { stop(); }

std::vector<Resolver::Name> Resolver::start(std::chrono::milliseconds patience) {
  if (state_->names.empty()) return {};
  for (const Name& name : state_->names) std::thread(&State::run, state_, name).detach();
  std::unique_lock lock(state_->mutex);
  state_->wake.wait_for(lock, patience, [this] { return state_->tried == state_->names.size(); });
  std::vector<Name> missing;
  for (const Name& name : state_->names) {
    if (!state_->known.contains(name)) missing.push_back(name);
  }
  return missing;
}

void Resolver::stop() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
}

}  // namespace sluice::upstream
