#include "gateway/connection_limits.h"

#include <utility>

namespace sluice {

ConnectionLimits::Place::Place(Place&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), client_(other.client_) {}

ConnectionLimits::Place& ConnectionLimits::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    release();
    limits_ = std::exchange(other.limits_, nullptr);
    client_ = other.client_;
  }
  return *this;
}

bool ConnectionLimits::Place::count_for(const proxy::ClientKey& client) {
  if (!limits_->per_client_) return true;
  if (!limits_->counts_.take(client, *limits_->per_client_)) return false;
  client_ = client;
  return true;
}

void ConnectionLimits::Place::release() noexcept {
  ConnectionLimits* limits = std::exchange(limits_, nullptr);
  if (limits == nullptr) return;
  if (client_) limits->counts_.give_back(*client_);
  limits->open_.fetch_sub(1, std::memory_order_relaxed);
}

void ConnectionLimits::set(std::int64_t max, config::OptionalCount per_client) {
  max_ = max;
  per_client_ = per_client;
}

ConnectionLimits::Verdict ConnectionLimits::admit(const std::optional<proxy::ClientKey>& client, Place& place) {
  Place taken;
  if (client && per_client_) {
    if (!counts_.take(*client, *per_client_)) return Verdict::max_connections_per_client;
    taken.client_ = client;
  }
  taken.limits_ = this;
  if (open_.fetch_add(1, std::memory_order_relaxed) >= max_) return Verdict::max_connections;
  place = std::move(taken);
  return Verdict::admitted;
}

}  // namespace sluice
