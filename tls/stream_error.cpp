#include "tls/stream_error.h"

#include <string>

namespace sluice::tls {
namespace {

class StreamCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "stream"; }
  std::string message(int value) const override {
    switch (static_cast<StreamError>(value)) {
      case StreamError::eof: return "the peer closed the connection";
      case StreamError::would_block: return "no bytes yet";
      case StreamError::truncated: return "the peer closed a TLS connection without close_notify";
      case StreamError::tls_failed: return "TLS failed";
      case StreamError::verify_failed: return "the peer's certificate did not verify";
      case StreamError::certificate_missing: return "the client showed no certificate";
      case StreamError::held_limit: return "the peer is slow and limits.max_held_bytes is reached";
      case StreamError::write_idle: return "the peer took no bytes in time";
      case StreamError::timed_out: return "timed out";
      case StreamError::cancelled: return "cancelled";
      case StreamError::draining: return "the gateway is shutting down";
    }
    return "unknown stream error";
  }
};

}  // namespace

const std::error_category& stream_category() noexcept {
  static const StreamCategory category;
  return category;
}

}  // namespace sluice::tls
