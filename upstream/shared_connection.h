// A connection to an endpoint that several exchanges use at once. Its pool hands it out as long as it has room; who has it keeps it
// alive. What it speaks is the business of who made it. One worker's thread.
#pragma once

#include "upstream/connection_pool.h"

namespace sluice::upstream {

class SharedConnection {
 public:
  SharedConnection(const SharedConnection&) = delete;
  SharedConnection& operator=(const SharedConnection&) = delete;
  virtual ~SharedConnection() = default;

  // One more exchange may begin, or one more WebSocket.
  virtual bool has_room(bool tunnel) const noexcept = 0;
  // How many may be under way at once.
  virtual std::size_t capacity() const noexcept = 0;
  // None is under way.
  virtual bool is_idle() const noexcept = 0;
  // Whether WebSockets may be among them; nothing as long as that is not known.
  virtual std::optional<bool> takes_tunnels() const noexcept = 0;
  // WebSockets that are under way, or about to be.
  virtual std::size_t tunnels() const noexcept = 0;
  // What it began with.
  virtual const std::string& opening() const noexcept = 0;
  // No more exchanges; it ends after those that are under way.
  virtual void retire() = 0;
  // Of one that is idle: its place among those that the endpoint may have. It is closed.
  virtual Place take_place() = 0;

 protected:
  SharedConnection() = default;
  // From now on takes_tunnels() and capacity() are what the peer has said.
  void settled() noexcept {
    if (pool_ != nullptr) pool_->settled(*this);
  }
  // It will have no room any more. Maybe nobody keeps it alive after that.
  void leave_pool() noexcept {
    if (pool_ != nullptr) std::exchange(pool_, nullptr)->unshare(*this);
  }

 private:
  friend class ConnectionPool;
  ConnectionPool* pool_ = nullptr;  // that hands it out
};

}  // namespace sluice::upstream
