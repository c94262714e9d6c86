// What the workers found when they looked at their WebSockets, as data and as JSON. Collected and used on the control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/websocket/socket_facts.h"

namespace sluice::admin {

struct SocketList {
  std::uint64_t matched = 0;
  std::uint64_t told = 0;                         // to close, of those that matched; the others were closing already
  std::vector<websocket::SocketFacts> sockets;    // the oldest first, not more than were asked for
  std::vector<std::size_t> silent;                // workers that did not answer: theirs are missing
};

std::string listing_json(const SocketList& list);
std::string closing_json(const SocketList& list);

}  // namespace sluice::admin
