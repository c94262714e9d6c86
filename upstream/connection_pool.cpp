#include "upstream/connection_pool.h"

#include "tls/stream_error.h"

namespace sluice::upstream {

ConnectionPool::Idle::Idle(ConnectionPool& owner, Connection idle_connection)
    : pool(owner),
      connection(std::move(idle_connection)),
      deadline(
          owner.io_.wheel, [](void* context) { auto& idle = *static_cast<Idle*>(context); idle.pool.drop(idle); }, this),
      counted(owner.metrics_.connections_idle) {}

ConnectionPool::ConnectionPool(tls::WorkerIo& io, std::shared_ptr<EndpointState> state, const config::Pool& settings,
                               metrics::UpstreamMetrics& metrics)
    : io_(io), state_(std::move(state)), settings_(settings), metrics_(metrics) {}

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
      return;
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

Place ConnectionPool::take_place() {
  if (idle_.empty()) return {};
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
}

}  // namespace sluice::upstream
