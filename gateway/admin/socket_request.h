// What somebody asks of the open WebSockets: which, and what is to happen to them. Read from the query of a request; no I/O.
#pragma once

#include <string>
#include <string_view>

#include "config/report.h"
#include "gateway/websocket/socket_filter.h"

namespace sluice::admin {

struct SocketRequest {
  static constexpr std::uint64_t kMostShown = 10'000;

  websocket::SocketFilter filter;
  std::uint64_t limit = 100;  // so many are shown
  // How they are closed. By default clients take it as a reason to come back.
  std::uint16_t code = 1001;
  std::string reason = "closed by the operator";
  std::chrono::milliseconds over{0};  // spread over so much time
  bool all = false;                   // whatever the filter says
  std::chrono::milliseconds time{60000};  // for so long one is looked at
};

// Each returns what is wrong with the query. One that closes has to say which: by the filter, or with `all=true`.
config::Fault parse_listing(std::string_view query, SocketRequest& request);
config::Fault parse_closing(std::string_view query, SocketRequest& request);
config::Fault parse_tap(std::string_view query, SocketRequest& request);

}  // namespace sluice::admin
