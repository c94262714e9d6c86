#include "tls/stream_error.h"

namespace sluice::tls {

constinit const StreamCategory kStreamCategory;

const char* StreamCategory::name() const noexcept { return "stream"; }

std::string StreamCategory::message(int value) const {
  switch (static_cast<StreamError>(value)) {
    case StreamError::eof: return "the peer closed the connection";
    case StreamError::would_block: return "no bytes yet";
    case StreamError::truncated: return "the peer closed a TLS connection without close_notify";
    case StreamError::tls_failed: return "TLS failed";
    case StreamError::verify_failed: return "the peer's certificate did not verify";
    case StreamError::certificate_missing: return "the client showed no certificate";
    case StreamError::held_limit: return "the peer is slow and limits.max_held_bytes is reached";
    case StreamError::write_idle: return "the peer took no bytes in time";
    case StreamError::ping_timeout: return "the peer gave no sign of life after a Ping";
    case StreamError::timed_out: return "timed out";
    case StreamError::cancelled: return "cancelled";
    case StreamError::draining: return "the gateway is shutting down";
  }
  return "unknown stream error";
}

}  // namespace sluice::tls
