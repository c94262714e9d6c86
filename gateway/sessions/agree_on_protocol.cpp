#include "gateway/sessions/agree_on_protocol.h"

#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

constexpr std::size_t kLooked = 128;

// A line without the version that a request has in it (RFC 9112 3), as far as it can be seen.
bool is_no_request(std::string_view bytes) noexcept {
  const std::size_t end = bytes.find('\n');
  return end != std::string_view::npos && bytes.substr(0, end).find("HTTP/") == std::string_view::npos;
}

Awaitable<bool> begins_http2(tls::Stream& stream) {
  for (;;) {
    char* scratch = stream.io().scratch();
    const tls::ReadResult seen = stream.peek(scratch, kLooked);
    if (seen.error && seen.error != tls::StreamError::would_block) co_return false;
    const std::string_view bytes(scratch, seen.size);
    if (bytes.starts_with(kPreface)) co_return true;
    if (!kPreface.starts_with(bytes)) co_return is_no_request(bytes);
    const bool more = co_await stream.wait_for_more();
    if (!more) co_return false;
  }
}

}  // namespace

Awaitable<bool> speaks_http2(proxy::Services& services, SessionSet& sessions, tls::Stream& stream, proxy::ConnectionInfo& info) {
  if (stream.is_tls()) co_return stream.alpn() == "h2";
  if (!config::speaks(*info.listener, "h2")) co_return false;
  tls::Deadline deadline(
      services.io.wheel, [](void* context) { static_cast<tls::Stream*>(context)->abort(tls::StreamError::timed_out); }, &stream);
  const auto hurry = [](void* context) { static_cast<tls::Deadline*>(context)->set_after(kFirstRequestWhileDraining); };
  const SessionEntry entry(sessions, stream, hurry, &deadline);
  deadline.set_after(left_of(services.generation->config().timeouts.request_head, info.opening_took));
  if (services.draining) hurry(&deadline);
  const Clock::time_point start = Clock::now();
  const bool found = co_await begins_http2(stream);
  if (stream.error() == tls::StreamError::timed_out) services.io.metrics.timeout_request_head.add();
  info.opening_took += std::chrono::duration_cast<config::Duration>(Clock::now() - start);
  co_return found;
}

}  // namespace sluice::sessions
