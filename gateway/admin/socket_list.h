// What the workers found when they looked at their WebSockets, as data and as JSON. Collected and used on the control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/admin/answer_stream.h"
#include "gateway/websocket/socket_facts.h"

namespace sluice::admin {

struct SocketList {
  std::uint64_t matched = 0;
  std::uint64_t told = 0;                         // to close, of those that matched; the others were closing already
  std::vector<websocket::SocketFacts> sockets;    // the oldest first, not more than were asked for
  std::vector<std::size_t> silent;                // workers that did not answer: theirs are missing
};

// A line of JSON for each socket. It is made as it is taken: clients choose much of what is told of them, and the text of 10,000 sockets
// is 50 MiB then.
std::shared_ptr<AnswerStream> listing_json(SocketList list);
std::string closing_json(const SocketList& list);

}  // namespace sluice::admin
