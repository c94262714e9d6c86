// TLS sessions with backends, kept to be resumed: by context and endpoint, so never under other settings than those that they were
// verified under. They live in the SSL_CTX, which outlives every connection that may still bring one. That context's thread alone.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "tls/io_types.h"

namespace sluice::tls {

// The newest of an endpoint. Under TLS 1.3 each is used once, and each connection brings one or two.
inline constexpr std::size_t kMostSessions = 4;

// Makes a context for clients keep what its connections may resume. Throws TlsLoadError.
void keep_sessions(SSL_CTX* context);
// Before the handshake: `ssl` resumes the newest session with `endpoint`, if there is one, and what it brings is kept there.
void offer_session(SSL* ssl, const std::string& endpoint);
// The endpoint is gone. What its connections bring yet goes with them.
void forget_sessions(SSL_CTX* context, const std::string& endpoint);
// After a handshake that succeeded: whether it resumed a session.
bool was_resumed(SSL* ssl) noexcept;
// After a handshake that ended by itself, whatever its result. When nothing was resumed, the sessions that were there as it `began` are
// of no use any more: they were refused.
void drop_refused_sessions(SSL* ssl, Clock::time_point began);

}  // namespace sluice::tls
