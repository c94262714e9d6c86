#include "gateway/sessions/serve_connection.h"

#include <openssl/ssl.h>

#include "gateway/http/uri.h"
#include "gateway/sessions/agree_on_protocol.h"
#include "gateway/sessions/begin_tunnel.h"
#include "gateway/sessions/http1_session.h"
#include "gateway/sessions/http2_session.h"
#include "gateway/sessions/read_proxy_header.h"
#include "metrics/log.h"
#include "tls/client_certificates.h"
#include "tls/openssl_error.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

// How long a client that was refused may take to read why.
constexpr std::chrono::milliseconds kReadAlert{2000};

void note_tls(const tls::Stream& stream, proxy::ConnectionInfo& info, metrics::TlsMetrics& metrics) {
  SSL* ssl = stream.ssl();
  info.tls_version = SSL_get_version(ssl);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  // The client may send anything: only a host name goes on to headers and logs.
  const std::optional<http::Authority> host = http::parse_authority(name != nullptr ? name : "");
  if (host && !host->port && !host->ipv6_literal) info.sni = name;
  if (name != nullptr && stream.alpn() == "h2") info.served.emplace(*ssl);
  info.client_subject = tls::client_subject(ssl);
  (SSL_version(ssl) == TLS1_3_VERSION ? metrics.ok_1_3 : metrics.ok_1_2).add();
  if (SSL_session_reused(ssl)) metrics.resumed.add();
}

// Whether a client with another certificate would have been served.
bool note_failure(ErrorCode error, const tls::Stream& stream, const proxy::ConnectionInfo& info, proxy::Services& services) {
  metrics::TlsMetrics& metrics = services.tls_metrics;
  if (error == tls::StreamError::certificate_missing) {
    metrics.certificate_missing.add();
    if (services.log_limit.admit("certificate_missing")) {
      metrics::log().info("listener {}: client {} was refused: it showed no certificate", info.listener->name, info.peer_address);
    }
    return true;
  }
  if (error == tls::StreamError::verify_failed) {
    metrics.certificate_rejected.add();
    if (services.log_limit.admit("certificate_rejected")) {
      metrics::log().info("listener {}: client {} was refused: its certificate did not verify ({})", info.listener->name,
                          info.peer_address, tls::client_refusal_text(stream.ssl()));
    }
    return true;
  }
  if (error == tls::StreamError::timed_out) {
    metrics.timeout.add();
    services.io.metrics.timeout_tls_handshake.add();
  } else {
    metrics.failed.add();
    metrics::log().debug("TLS handshake with {} failed: {} ({})", info.peer_address, error.message(),
                         tls::take_openssl_error_text());
  }
  return false;
}

// False: the connection is over.
Awaitable<bool> tls_handshake(proxy::Services& services, SessionSet& sessions, tls::Stream& stream,
                            proxy::ConnectionInfo& info) {
  if (!stream.is_tls()) co_return true;
  const SessionEntry entry(sessions, stream, nullptr, nullptr);  // bounded by its own deadline, also while draining
  tls::Deadline deadline(
      services.io.wheel, [](void* context) { static_cast<tls::Stream*>(context)->abort(tls::StreamError::timed_out); },
      &stream);
  deadline.set_after(left_of(services.generation->config().timeouts.tls_handshake, info.opening_took));
  const Clock::time_point start = Clock::now();
  const ErrorCode error = co_await stream.handshake();
  if (!error) {
    metrics::TlsMetrics& metrics = services.tls_metrics;
    metrics.handshake_seconds.observe(std::chrono::duration<double>(Clock::now() - start).count());
    note_tls(stream, info, metrics);
    info.opening_took = {};
    co_return true;
  }
  if (note_failure(error, stream, info, services)) {
    deadline.set_after(kReadAlert);
    co_await stream.wait_for_end();
  }
  co_return false;
}

Awaitable<> serve(proxy::Services& services, SessionSet& sessions, Accepted accepted) {
  proxy::ConnectionInfo info;
  info.listener = std::move(accepted.listener);
  info.peer_address = std::move(accepted.peer_address);
  info.peer_port = accepted.peer_port;
  info.peer_trusted = accepted.peer_trusted;
  tls::StreamPtr stream = tls::Stream::plain(services.io, std::move(accepted.socket));
  info.descriptor = stream->descriptor();
  ConnectionPlace& place = *accepted.place;
  stream->attach(std::move(accepted.place));
  if (info.peer_trusted && info.listener->proxy_protocol != config::ProxyProtocol::off) {
    if (!co_await read_proxy_header(services, sessions, *stream, info, place)) co_return;
  }
  if (accepted.tls_context != nullptr) {
    tls::SslPtr ssl = accepted.tls_context->new_session();
    if (!ssl) co_return;  // out of memory
    stream->start_tls(std::move(ssl));
  }
  if (!co_await tls_handshake(services, sessions, *stream, info)) co_return;
  // Where only HTTP/2 is spoken, its session says what is wrong with anything else.
  const bool http2_only = !config::speaks(*info.listener, "http/1.1");
  if (http2_only || co_await speaks_http2(services, sessions, *stream, info)) {
    Http2Session session(services, sessions, info, std::move(stream));
    co_return co_await session.run();
  }
  std::unique_ptr<websocket::Tunnel> tunnel;
  {
    Http1Session session(services, sessions, info, std::move(stream));
    tunnel = co_await session.run();
  }
  // The tunnel starts when nothing of the session is left: it lives for days.
  if (tunnel) begin_tunnel(services, std::move(tunnel));
}

}  // namespace

Awaitable<> serve_connection(proxy::Services& services, SessionSet& sessions, Accepted accepted) {
  try {
    co_await serve(services, sessions, std::move(accepted));
  } catch (const std::exception& error) {
    if (services.log_limit.admit("connection_failed")) {
      metrics::log().error("a connection failed: {}", error.what());
    }
  }
}

}  // namespace sluice::sessions
