#pragma once

#include <string>

#include "load_plan.h"
#include "net.h"
#include "reply_reader.h"
#include "transport.h"

namespace sluice::bench {

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
  void answer_pings();

  const LoadPlan& plan_;
  Transport transport_;
  State state_ = State::connecting;
  ReplyReader reader_;
  std::string head_;
  size_t next_ = 0;  // of the plan's messages
};

}  // namespace sluice::bench
