// What one exchange has of the endpoint that was picked for it: a connection to itself, or a stream of one that is shared, and the wire
// that is spoken on it. It belongs to the exchange, which decides what is sent and for how long it waits. Used by one worker's thread.
#pragma once

#include "gateway/proxy/http1_wire.h"
#include "gateway/proxy/http2_wire.h"
#include "gateway/proxy/tunnel_backend.h"
#include "tls/cancellation.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

class BackendConnection {
 public:
  // Both outlive it.
  BackendConnection(upstream::Cluster& cluster, const config::Limits& limits) noexcept : cluster_(cluster), limits_(limits) {}
  BackendConnection(const BackendConnection&) = delete;
  BackendConnection& operator=(const BackendConnection&) = delete;
  ~BackendConnection() { drop(); }

  // First of all.
  void take(upstream::Picked&& picked) { picked_ = std::move(picked); }
  upstream::Picked& picked() noexcept { return picked_; }
  const upstream::Picked& picked() const noexcept { return picked_; }

  // Leaves in picked() a connection that is open, to have for itself or to share. client_left: it was called off.
  Awaitable<upstream::Failure> open(config::OptionalDuration connect_timeout, tls::Cancellation& cancellation);
  // From then on there is a wire(), until the connection is given away or dropped. `write_idle`: how long the backend may take no bytes.
  // `accepts_trailers`: whoever asks has said that he does.
  void speak(config::OptionalDuration write_idle, bool accepts_trailers);
  BackendWire& wire() noexcept { return *wire_; }
  const BackendWire& wire() const noexcept { return *wire_; }
  http::Version version() const noexcept { return http2_ ? http::Version::http_2 : http::Version::http_1_1; }  // that is spoken
  // As BackendWire's, and notes what it says of the connection.
  HeadRead read_head(http::ResponseHead& response);
  // As BackendWire's; nothing without a wire.
  void abort(ErrorCode error);

  // The backend has refused the exchange (HeadRead::refused): for a moment no others are sent over a connection that is shared.
  void spare() noexcept {
    if (http2_) http2_->spare_link();
  }

  // It was there before, and others share it.
  bool was_shared() const noexcept { return was_shared_; }
  // It was kept or shared, and may have been over when the request was sent: its end says nothing of the endpoint.
  bool reused() const noexcept { return connection_.reused || was_shared_; }
  // Over TLS HTTP/1.1 is spoken, and the endpoint has not said that it does (ALPN).
  bool is_unagreed() const noexcept;

  // All of `response` was read: a connection of its own is kept for the next exchange, if it may be.
  void release(const http::ResponseHead& response);
  // After a 101: what carries the tunnel, with the bytes that came behind it.
  TunnelBackend take_for_tunnel(config::OptionalDuration write_idle);
  // Its place is free for others. The endpoint has the exchange still.
  void drop() noexcept;

 private:
  void share();

  upstream::Cluster& cluster_;
  const config::Limits& limits_;
  upstream::Picked picked_;
  upstream::Connection connection_;
  std::optional<Http1Wire> http1_;  // on connection_
  std::optional<Http2Wire> http2_;  // on one that is shared
  BackendWire* wire_ = nullptr;     // the one that is spoken
  bool was_shared_ = false;
};

}  // namespace sluice::proxy
