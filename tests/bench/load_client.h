#pragma once

#include <memory>
#include <string>

#include "net.h"
#include "reply_reader.h"
#include "transport.h"

namespace sluice::bench {

// What every connection of one run does. Built once; the connections only point at it.
struct LoadPlan {
  // An HTTP plan asks for `path` and expects `length` bytes.
  static LoadPlan http(const std::string& to, bool tls, const std::string& path, uint64_t length);
  // A WebSocket plan upgrades at `path` and sends messages of `size` bytes, up to `in_flight` at once.
  static LoadPlan websocket(const std::string& to, bool tls, const std::string& path, size_t size,
                            int in_flight);

  sockaddr_in address{};
  std::shared_ptr<SSL_CTX> context;  // absent: plain
  bool upgrade = false;
  std::string upgrade_request;
  std::string expected_accept;
  std::string payload;
  uint64_t length = 0;
  size_t unit_size = 0;
  int units = 0;
  std::string block;  // `units` times the bytes of one request or masked frame
};

// One connection of the load, driven by readiness.
class LoadClient {
 public:
  enum class State { connecting, securing, upgrading, ready, failed };

  // `tag` is what the poller reports for this connection.
  LoadClient(const LoadPlan& plan, Poller& poller, void* tag);

  State state() const { return state_; }
  // Handles one readiness: the number of answers that it completed. The state tells the rest.
  int on_ready(uint32_t events);
  void send(int units);
  // Says goodbye on the TLS layer; the connection closes when the object goes.
  void finish() { transport_.finish(); }

 private:
  void fail() { state_ = State::failed; }
  void advance_connection(uint32_t events);
  void begin();
  void read_upgrade();
  int read_replies();

  const LoadPlan& plan_;
  Transport transport_;
  State state_ = State::connecting;
  ReplyReader reader_;
  std::string head_;
};

}  // namespace sluice::bench
