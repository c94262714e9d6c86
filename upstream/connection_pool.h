// Keeps idle connections to one endpoint of one worker, and counts those in use. The newest idle one is used first. Idle ones are
// watched: one that the backend closes (uvicorn and Node do so after 5 s) goes at once, so that it is seldom picked
// in the moment of its death. One worker's thread; the bound on idle ones holds for all workers together.
#pragma once

#include <list>

#include "metrics/upstream_metrics.h"
#include "tls/deadline.h"
#include "tls/stream.h"
#include "upstream/endpoint.h"
#include "upstream/place.h"

namespace sluice::upstream {

// A connection that an exchange has to itself. Dropping it closes it; ConnectionPool::put() keeps it for the next one.
struct Connection {
  Place place = {};  // among those that the endpoint may have; given back after the stream is closed
  tls::StreamPtr stream = {};
  Clock::time_point created = Clock::now();
  bool reused = false;
  metrics::GaugeHold open = {};
  std::string opening = {};  // what it began with; empty: nothing
};

class ConnectionPool {
 public:
  ConnectionPool(tls::WorkerIo& io, std::shared_ptr<EndpointState> state, const config::Pool& settings,
                 metrics::UpstreamMetrics& metrics);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // An idle connection that began with `opening`, or nothing: one that tells of a client serves that client alone. Counts a hit.
  std::optional<Connection> take(std::string_view opening);
  // Keeps it if there is room, it is not too old, and nothing is left to read. One that tells of a client takes the oldest's place
  // when there is no room: clients leave, and theirs would stay.
  void put(Connection connection);
  // Closes the oldest one, if any, and hands over its place; none: nothing is idle.
  Place take_place();
  // Closes what is idle; nothing is kept any more.
  void close();

 private:
  struct Idle {
    Idle(ConnectionPool& owner, Connection idle_connection);
    ConnectionPool& pool;
    Connection connection;
    tls::Deadline deadline;
    metrics::GaugeHold counted;
    std::list<Idle>::iterator self;
  };

  void drop(Idle& idle);

  tls::WorkerIo& io_;
  std::shared_ptr<EndpointState> state_;
  const config::Pool settings_;
  metrics::UpstreamMetrics& metrics_;
  std::list<Idle> idle_;  // newest first
  bool closed_ = false;
};

}  // namespace sluice::upstream
