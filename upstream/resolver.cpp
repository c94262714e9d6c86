#include "upstream/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "metrics/log.h"
#include "metrics/signals_blocked.h"

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
  // A name in use, held by its thread as well: one that is not in `names` any more tells its thread to end.
  struct Watch {
    bool tried = false;
  };
  std::map<Name, std::shared_ptr<Watch>> names;
  Known known;
  Changed changed;
  std::chrono::milliseconds refresh{};

  bool all_tried() const {
    return std::all_of(names.begin(), names.end(), [](const auto& entry) { return entry.second->tried; });
  }
  static void run(const std::shared_ptr<State>& state, const Name& name, const std::shared_ptr<Watch>& watch);
  void resolve(const Name& name);
};

void Resolver::State::resolve(const Name& name) {
  std::string error;
  Addresses found = look_up(name, AI_ADDRCONFIG, error);
  if (found.empty()) found = look_up(name, 0, error);  // AI_ADDRCONFIG hides loopback-only hosts
  const std::lock_guard lock(mutex);
  if (stopping || !names.contains(name)) return;
  if (found.empty()) {
    metrics::log().warn("cannot resolve {}: {}; {}", name.first, error,
                        known.contains(name) ? "the last answer stays in use" : "its endpoint gets no requests");
    return;
  }
  std::shared_ptr<const Addresses>& last = known[name];
  if (last && *last == found) return;
  last = std::make_shared<const Addresses>(std::move(found));
  changed(name, last);
}

void Resolver::State::run(const std::shared_ptr<State>& state, const Name& name, const std::shared_ptr<Watch>& watch) {
  for (;;) {
    state->resolve(name);
    std::unique_lock lock(state->mutex);
    const auto unused = [&] {
      const auto used = state->names.find(name);
      return state->stopping || used == state->names.end() || used->second != watch;
    };
    if (unused()) return;
    watch->tried = true;
    state->wake.notify_all();
    if (state->wake.wait_for(lock, state->refresh, unused)) return;
  }
}

std::optional<Addresses> Resolver::parse_literal(const Name& name) {
  std::string error;
  Addresses addresses = look_up(name, AI_NUMERICHOST | AI_NUMERICSERV, error);
  if (addresses.empty()) return std::nullopt;
  return addresses;
}

Resolver::Resolver(Changed changed, std::chrono::milliseconds refresh) : state_(std::make_shared<State>()) {
  state_->changed = std::move(changed);
  state_->refresh = refresh;
}

Resolver::~Resolver() { stop(); }

std::vector<Resolver::Name> Resolver::use(const std::vector<Name>& names, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  std::map<Name, std::shared_ptr<State::Watch>> before;
  before.swap(state_->names);
  std::vector<Name> without_thread;
  const metrics::SignalsBlocked blocked;
  for (const Name& name : names) {
    std::shared_ptr<State::Watch>& watch = state_->names[name];
    if (watch) continue;
    const auto known = before.find(name);
    watch = known != before.end() ? known->second : std::make_shared<State::Watch>();
    if (known != before.end()) continue;
    try {
      std::thread(&State::run, state_, name, watch).detach();
    } catch (const std::system_error&) {  // no thread to be had: it is missing, and the next use() tries again
      state_->names.erase(name);
      without_thread.push_back(name);
    }
  }
  std::erase_if(state_->known, [this](const auto& entry) { return !state_->names.contains(entry.first); });
  state_->wake.notify_all();  // the threads of names that are gone end
  state_->wake.wait_for(lock, patience, [this] { return state_->all_tried(); });
  std::vector<Name> missing = std::move(without_thread);
  for (const auto& [name, watch] : state_->names) {
    if (!state_->known.contains(name)) missing.push_back(name);
  }
  return missing;
}

Resolver::Known Resolver::known() const {
  const std::lock_guard lock(state_->mutex);
  return state_->known;
}

bool Resolver::is_settled() const {
  const std::lock_guard lock(state_->mutex);
  return state_->all_tried();
}

void Resolver::hand_over(const std::function<void(const Known&)>& take) const {
  const std::lock_guard lock(state_->mutex);
  take(state_->known);
}

void Resolver::stop() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
}

}  // namespace sluice::upstream
