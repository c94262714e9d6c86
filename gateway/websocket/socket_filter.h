// Which of the open WebSockets somebody wants to see or to close. A plain value, and a pure question.
#pragma once

#include <optional>
#include <string>

#include "config/listener_config.h"
#include "gateway/websocket/socket_facts.h"

namespace sluice::websocket {

// All that is set has to hold.
struct SocketFilter {
  std::optional<SocketId> id;
  std::optional<std::string> route;
  std::optional<config::Cidr> client;
  std::optional<std::string> endpoint;  // its URL
  std::optional<std::chrono::milliseconds> older_than;
  std::optional<std::chrono::milliseconds> idle_for;
  std::optional<std::uint64_t> faster_than;  // messages a second, in either direction

  bool empty() const noexcept { return !id && !route && !client && !endpoint && !older_than && !idle_for && !faster_than; }
  bool matches(const SocketFacts& facts) const;
};

}  // namespace sluice::websocket
