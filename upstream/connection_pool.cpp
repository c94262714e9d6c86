#include "upstream/connection_pool.h"

#include <algorithm>

#include "tls/stream_error.h"
#include "upstream/close_early.h"
#include "upstream/shared_connection.h"

namespace sluice::upstream {

ConnectionPool::Idle::Idle(ConnectionPool& owner, Connection idle_connection)
    : pool(owner),
      connection(std::move(idle_connection)),
      deadline(
          owner.io_.wheel, [](void* context) { auto& idle = *static_cast<Idle*>(context); idle.pool.drop(idle); }, this),
      counted(owner.metrics_.connections_idle) {}

ConnectionPool::ConnectionPool(tls::WorkerIo& io, std::shared_ptr<EndpointState> state, const config::Pool& settings,
                               metrics::UpstreamMetrics& metrics)
    : io_(io), state_(std::move(state)), settings_(settings), metrics_(metrics), waiting_(io.loop) {}

ConnectionPool::~ConnectionPool() { close(); }

std::optional<Connection> ConnectionPool::take(std::string_view opening) {
  for (auto next = idle_.begin(); next != idle_.end();) {
    Idle& idle = *next++;
    if (idle.connection.opening != opening) continue;
    if (idle.connection.stream->readable_now()) {
      drop(idle);
      continue;
    }
    metrics_.pool_hits.add();
    Connection connection = std::move(idle.connection);
    drop(idle);
    connection.stream->stop_watching();
    connection.reused = true;
    return connection;
  }
  return std::nullopt;
}

void ConnectionPool::put(Connection connection) {
  config::OptionalDuration keep_for = settings_.idle_timeout;
  if (settings_.max_lifetime) {
    const auto age = std::chrono::duration_cast<config::Duration>(Clock::now() - connection.created);
    if (age >= *settings_.max_lifetime) return;
    keep_for = std::min(keep_for.value_or(config::Duration::max()), *settings_.max_lifetime - age);
  }
  if (closed_ || connection.stream->write_error()) return;
  char byte;  // anything that is there already would be taken for the next request's answer
  if (connection.stream->read_some(&byte, 1).error != tls::StreamError::would_block) return;
  if (state_->idle.fetch_add(1, std::memory_order_relaxed) >= settings_.max_idle) {
    if (connection.opening.empty() || idle_.empty()) {
      state_->idle.fetch_sub(1, std::memory_order_relaxed);
      return close_early(std::move(connection.stream));
    }
    drop(idle_.back());
  }
  Idle& idle = idle_.emplace_front(*this, std::move(connection));
  idle.self = idle_.begin();
  idle.deadline.set_after(keep_for);
  // Bytes that nobody asked for would be taken for the next request's answer.
  idle.connection.stream->watch_idle(
      [](void* context) { auto& ended = *static_cast<Idle*>(context); ended.pool.drop(ended); }, &idle);
}

std::shared_ptr<SharedConnection> ConnectionPool::find_shared(const SharedNeed& need) const {
  const bool tunnel = need.most_tunnels.has_value();
  const std::shared_ptr<SharedConnection>* best = nullptr;
  for (const std::shared_ptr<SharedConnection>& one : shared_) {
    if (one->opening() != need.opening || !one->has_room(tunnel)) continue;
    if (!tunnel) return one;
    if (one->takes_tunnels() != true || one->tunnels() >= *need.most_tunnels) continue;
    if (best == nullptr || one->tunnels() > (*best)->tunnels()) best = &one;
  }
  return best == nullptr ? nullptr : *best;
}

std::optional<bool> ConnectionPool::takes_tunnels() const noexcept {
  const auto newest = std::find_if(shared_.rbegin(), shared_.rend(), [](const std::shared_ptr<SharedConnection>& one) {
    return one->takes_tunnels().has_value();
  });
  return newest == shared_.rend() ? std::nullopt : (*newest)->takes_tunnels();
}

void ConnectionPool::share(std::shared_ptr<SharedConnection> connection) {
  if (closed_) return;  // it ends with the exchange that has opened it
  connection->pool_ = this;
  shared_.push_back(std::move(connection));
  waiting_.wake_all();
}

void ConnectionPool::settled(const SharedConnection& connection) noexcept {
  capacity_ = std::max<std::size_t>(1, connection.capacity());
  waiting_.wake_all();
}

// Whoever opens one has a seat on it as well.
bool ConnectionPool::is_worth_waiting(const SharedNeed& need) const noexcept {
  if (closed_) return false;  // whoever opens one keeps it to himself
  if (!need.most_tunnels) return waiting_.size() < opening_ * (capacity_ - 1);
  const auto unsettled = std::count_if(shared_.begin(), shared_.end(), [](const std::shared_ptr<SharedConnection>& one) {
    return !one->takes_tunnels().has_value();
  });
  const std::size_t coming = opening_ + static_cast<std::size_t>(unsettled);
  const bool known = takes_tunnels().has_value();
  return known ? waiting_.size() < coming * (std::min<std::size_t>(capacity_, *need.most_tunnels) - 1) : coming > 0;
}

void ConnectionPool::unshare(SharedConnection& connection) noexcept {
  const auto found = std::find_if(shared_.begin(), shared_.end(),
                                  [&](const std::shared_ptr<SharedConnection>& one) { return one.get() == &connection; });
  if (found == shared_.end()) return;
  const std::shared_ptr<SharedConnection> kept = std::move(*found);  // until the list is in order again
  shared_.erase(found);
  waiting_.wake_all();
}

Place ConnectionPool::take_place() {
  if (idle_.empty()) {
    const auto found = std::find_if(shared_.begin(), shared_.end(),
                                    [](const std::shared_ptr<SharedConnection>& one) { return one->is_idle(); });
    if (found == shared_.end()) return {};
    const std::shared_ptr<SharedConnection> one = *found;
    one->pool_ = nullptr;
    shared_.erase(found);
    waiting_.wake_all();
    return one->take_place();
  }
  Place place = std::move(idle_.back().connection.place);
  drop(idle_.back());
  return place;
}

void ConnectionPool::drop(Idle& idle) {
  state_->idle.fetch_sub(1, std::memory_order_relaxed);
  idle_.erase(idle.self);
}

void ConnectionPool::close() {
  closed_ = true;
  while (!idle_.empty()) drop(idle_.front());
  for (const std::shared_ptr<SharedConnection>& one : std::exchange(shared_, {})) {
    one->pool_ = nullptr;
    one->retire();
  }
  waiting_.wake_all();
}

}  // namespace sluice::upstream
