#include "gateway/sessions/agree_on_protocol.h"

#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

Awaitable<bool> begins_with_preface(tls::Stream& stream) {
  for (;;) {
    char* scratch = stream.io().scratch();
    const tls::ReadResult seen = stream.peek(scratch, kPreface.size());
    if (seen.error && seen.error != tls::StreamError::would_block) co_return false;
    if (!kPreface.starts_with(std::string_view(scratch, seen.size))) co_return false;
    if (seen.size == kPreface.size()) co_return true;
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
  const bool found = co_await begins_with_preface(stream);
  if (stream.error() == tls::StreamError::timed_out) services.io.metrics.timeout_request_head.add();
  info.opening_took += std::chrono::duration_cast<config::Duration>(Clock::now() - start);
  co_return found;
}

}  // namespace sluice::sessions
