// The cookie by which a client comes back to its endpoint (`sticky` of an upstream): ENDPOINT.EXPIRY.SEAL, where the endpoint stands as a
// code that only the gateway can make, and tells no address. Made when a configuration is taken over; immutable.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/upstream_config.h"
#include "gateway/http/headers.h"
#include "tls/cookie_key.h"

namespace sluice::proxy {

class StickyCookie {
 public:
  using Time = std::chrono::system_clock::time_point;
  // `upstream` has `sticky`; the key must outlive this.
  StickyCookie(const tls::CookieKey& key, const config::Upstream& upstream);

  struct Found {
    std::size_t endpoint = 0;  // index into the upstream's
    bool renew = false;        // half of its time is over
  };
  // Nothing: the request has none, or one that is forged, expired or of an endpoint that is gone.
  std::optional<Found> find(const http::Headers& request, Time now) const;
  void add(std::size_t endpoint, bool secure, Time now, http::Headers& response) const;
  const std::string& name() const noexcept { return settings_.cookie; }

 private:
  const tls::CookieKey& key_;
  const config::Sticky settings_;
  std::vector<std::vector<std::string>> codes_;  // by key, then parallel to the upstream's endpoints; the first key's are given out
};

}  // namespace sluice::proxy
