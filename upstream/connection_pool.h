// Keeps idle connections to one endpoint of one worker, and counts those in use. The newest idle one is used first. Idle ones are
// watched: one that the backend closes (uvicorn and Node do so after 5 s) goes at once, so that it is seldom picked
// in the moment of its death. Those that exchanges share are here as well, in use or idle, until they take no more exchanges.
// One worker's thread; the bound on idle ones holds for all workers together.
#pragma once

#include <list>
#include <vector>

#include "metrics/upstream_metrics.h"
#include "tls/frame_memory.h"
#include "tls/stream.h"
#include "tls/wait_queue.h"
#include "upstream/endpoint.h"
#include "upstream/place.h"

namespace sluice::upstream {

class SharedConnection;

// A connection that an exchange has to itself. Dropping it closes it; ConnectionPool::put() keeps it for the next one.
struct Connection {
  Place place = {};  // among those that the endpoint may have; given back after the stream is closed
  tls::StreamPtr stream = {};
  Clock::time_point created = Clock::now();
  bool reused = false;
  metrics::GaugeHold open = {};
  std::string opening = {};  // what it began with; empty: nothing
  bool h2 = false;           // HTTP/2 was agreed on: exchanges can share it
};

// What a connection that is to be shared is wanted for.
struct SharedNeed {
  std::string_view opening = {};  // what it began with
  config::OptionalCount most_tunnels = {};  // a WebSocket, on one that has fewer; absent: a request
};

class ConnectionPool {
 public:
  static constexpr std::size_t kCapacity = 100;  // of a shared connection that has not said yet

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
  // One with room for another exchange, the first that has; null: there is none. For a WebSocket the one that has most of them, so that
  // they are on few, of those that are known to take any.
  std::shared_ptr<SharedConnection> find_shared(const SharedNeed& need) const;
  // Whether the endpoint takes WebSockets beside other exchanges, by what was heard last on those that are here; nothing: it has not
  // said so.
  std::optional<bool> takes_tunnels() const noexcept;
  // From now on find_shared() may give it.
  void share(std::shared_ptr<SharedConnection> connection);
  // One of them knows now what it takes.
  void settled(const SharedConnection& connection) noexcept;
  void unshare(SharedConnection& connection) noexcept;
  // While it lives, a connection is being opened that will most likely be shared: who needs one may wait for it.
  class Opening {
   public:
    explicit Opening(ConnectionPool& pool) noexcept : pool_(pool) { ++pool_.opening_; }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;
    ~Opening() {
      --pool_.opening_;
      pool_.waiting_.wake_all();
    }

   private:
    ConnectionPool& pool_;
  };
  // Whether there is likely to be room on those that are being opened, beside the others that wait for it. Where nobody knows whether
  // WebSockets are taken, all of them wait until one is told.
  bool is_worth_waiting(const SharedNeed& need) const noexcept;
  // Waits until there may be room, or none to be waited for; or until the bound has stopped it.
  Awaitable<> wait(tls::WaitQueue::Bound& bound) { return waiting_.wait(bound); }
  // Closes the oldest one, if any, and hands over its place; none: nothing is idle.
  Place take_place();
  // Closes what is idle; nothing is kept any more, or waited for.
  void close();

 private:
  struct Idle {
    Idle(ConnectionPool& owner, Connection idle_connection);
    ConnectionPool& pool;
    Connection connection;
    tls::Deadline deadline;
    metrics::GaugeHold counted;
    std::list<Idle, FrameAllocator<Idle>>::iterator self;
  };

  void drop(Idle& idle);

  tls::WorkerIo& io_;
  std::shared_ptr<EndpointState> state_;
  const config::Pool settings_;
  metrics::UpstreamMetrics& metrics_;
  std::list<Idle, FrameAllocator<Idle>> idle_;  // newest first
  std::vector<std::shared_ptr<SharedConnection>> shared_;
  unsigned opening_ = 0;
  std::size_t capacity_ = kCapacity;  // of each of those, as the last one has said
  tls::WaitQueue waiting_;  // for one to share
  bool closed_ = false;
};

}  // namespace sluice::upstream
