#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport.h"

namespace sluice::bench {

struct Messages {
  size_t size = 128;
  int in_flight = 1;
  bool deflate = false;  // offer permessage-deflate, and insist on it; text then, which can be compressed
};

// What every connection of one run does. Built once; the connections only point at it.
struct LoadPlan {
  // An HTTP plan asks for `path` and expects `length` bytes.
  static LoadPlan http(const std::string& to, bool tls, const std::string& path, uint64_t length);
  // A WebSocket plan upgrades at `path` and sends messages, which are echoed.
  static LoadPlan websocket(const std::string& to, bool tls, const std::string& path,
                            const Messages& messages);

  sockaddr_in address{};
  std::shared_ptr<SSL_CTX> context;  // absent: plain
  bool upgrade = false;
  bool deflate = false;
  std::string upgrade_request;
  std::string expected_accept;
  uint64_t length = 0;
  std::vector<std::string> payloads;  // of the messages, which are sent in turn; none: HTTP
  // The request, or the masked frames of the messages in turn: as many as may be in flight, from whichever
  // on.
  std::string block;
  std::vector<size_t> starts;  // of each of them in `block`, and the end

  size_t turn() const { return payloads.empty() ? 1 : payloads.size(); }
  size_t most_at_once() const { return starts.size() - turn(); }
};

}  // namespace sluice::bench
