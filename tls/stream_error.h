// What can go wrong with a stream beyond the system's own errors.
#pragma once

#include <string>
#include <system_error>

namespace sluice::tls {

enum class StreamError {
  eof = 1,             // the peer ended its side in an orderly way
  would_block,         // nothing to read now: wait_readable()
  truncated,           // TLS ended by close without close_notify (an attacker may have cut it)
  tls_failed,          // the peer broke the TLS protocol, or refused our handshake
  verify_failed,       // the peer's certificate did not verify
  certificate_missing, // the client has none, and the listener requires one
  held_limit,          // limits.max_held_bytes is reached and this peer is slow
  write_idle,          // the peer took no bytes for timeouts.client_write_idle
  ping_timeout,        // the peer of a WebSocket gave no sign of life after a Ping
  timed_out,           // a deadline of the owner's
  cancelled,           // the other side of the exchange is gone
  draining,            // the gateway is shutting down
};

class StreamCategory final : public std::error_category {
 public:
  constexpr StreamCategory() = default;
  const char* name() const noexcept override;
  std::string message(int value) const override;
};

// Compared for every read and write, so it is neither made on first use nor behind a call.
extern const StreamCategory kStreamCategory;

inline std::error_code make_error_code(StreamError error) noexcept {
  return {static_cast<int>(error), kStreamCategory};
}

}  // namespace sluice::tls

template <>
struct std::is_error_code_enum<sluice::tls::StreamError> : std::true_type {};
