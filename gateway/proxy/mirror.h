// Whether a request is copied for its route's mirror, and the moment for it: when all of it has been sent to the upstream, so
// that nobody waits for a copy. Lives in forward_request's coroutine, and only where a route has a mirror.
#pragma once

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"

namespace sluice::proxy {

struct HeldBody;

// On every copy, so that the mirror can tell them from requests; what has it already is not copied again, or a mirror that leads back here
// would never end.
inline constexpr std::string_view kMirrorField = "X-Sluice-Mirror";

class PendingMirror {
 public:
  // Copies under way for one route of one worker; what comes beyond them is not copied.
  static constexpr std::int64_t kMostInFlight = 64;

  // Decides by chance, as `share` says.
  PendingMirror(ClientExchange& exchange, Services& services, RouteContext& route);
  PendingMirror(const PendingMirror&) = delete;
  PendingMirror& operator=(const PendingMirror&) = delete;
  // Counts a request that never was sent whole.
  ~PendingMirror();

  // Whether the body has to be held for it.
  bool pending() const noexcept { return pending_; }
  // All of the request has left, with `body`. Starts the copy, the first time; never fails.
  void request_sent(const HeldBody& body) noexcept;

 private:
  void start(std::string_view body);

  ClientExchange& exchange_;
  Services& services_;
  RouteContext& route_;
  bool pending_ = false;
};

}  // namespace sluice::proxy
