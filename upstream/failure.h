// Why an exchange with an upstream failed. The code is the one name for it in the `Sluice-Error` field, in metrics and in logs;
// gateway/proxy/reply maps it to a status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sluice::upstream {

enum class FailureCode : std::uint8_t {
  none,
  no_endpoint,           // nothing to pick
  upstream_full,         // every endpoint that could be picked has reached a bound of circuit_breaker
  resolve_failed,        // the endpoint's name has no address (yet)
  connect_refused,
  connect_failed,        // any other error while connecting
  connect_timeout,
  tls_failed,
  certificate_rejected,
  reset,                 // closed or reset before the first response byte
  stream_refused,        // HTTP/2: the backend has not looked at the request, and says so
  response_timeout,      // no response head in time
  bad_response,          // the head cannot be trusted
  bad_upgrade,           // a WebSocket: the answer does not fit the handshake, or the endpoint has no way to take any
  body_truncated,        // closed or reset in the middle of the body
  body_timeout,          // silence in the middle of the body
  bad_body,              // the body's framing is wrong
  overloaded,            // limits.max_held_bytes is reached and the backend is slow
  client_left,           // not the upstream's fault: the exchange was called off
  count_,
};

std::string_view name_of(FailureCode code) noexcept;
std::string_view describe(FailureCode code) noexcept;  // a short sentence for people

// When a further attempt may help.
enum class Retryable : std::uint8_t {
  no,
  always,         // the request has not left: any method
  untouched,      // it was sent and not looked at: any method, with the body at hand
  if_idempotent,  // it may have been seen, but nothing came back
};

struct Failure {
  FailureCode code = FailureCode::none;
  Retryable retryable = Retryable::no;
  std::string detail;  // for the log only
  bool ours = false;   // for want of descriptors, ports or memory here: it says nothing of the endpoint
  bool no_protocol = false;  // TLS: it speaks none of those that were offered (RFC 7301 3.2)
};

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Failure failure) : state_(std::move(failure)) {}
  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& operator*() noexcept { return std::get<0>(state_); }
  T* operator->() noexcept { return &std::get<0>(state_); }
  Failure& failure() noexcept { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace sluice::upstream
