// Makes the TLS sessions to one https upstream on one worker. Owns an SSL_CTX; the trust store is shared.
// One thread at a time. A session may outlive its context.
#pragma once

#include <string>

#include "config/upstream_config.h"
#include "tls/client_sessions.h"
#include "tls/load_certificate.h"
#include "tls/openssl_handles.h"
#include "tls/ssl_ptr.h"
#include "tls/trust_store.h"

namespace sluice::tls {

// What a connection to a backend may speak. A backend that agrees on nothing is spoken to in HTTP/1.1.
enum class OfferedProtocols { http_1_1, h2_and_http_1_1, h2 };

class ClientContext {
 public:
  // `shown`: what backends that ask for a certificate get; null: none. Throws TlsLoadError.
  ClientContext(const config::UpstreamTls& tls, const TrustStore& trust, const LoadedCertificate* shown = nullptr);

  // A session in connect state, without a BIO, for `endpoint_host` (a name or an IP literal without
  // brackets), or for the configured server_name in its place. Null when memory is out or the name cannot be
  // one (over 255 bytes). `endpoint`: it resumes an earlier one of the same, and leaves what can be resumed; empty: it does neither.
  SslPtr new_session(const std::string& endpoint_host, const std::string& endpoint = {},
                     OfferedProtocols protocols = OfferedProtocols::http_1_1) const;
  // What `endpoint` has left to be resumed is dropped.
  void forget(const std::string& endpoint) const { forget_sessions(context_.get(), endpoint); }

 private:
  std::string server_name_;
  SslContextPtr context_;
};

// Why the peer's certificate does not verify, for logs; empty when it does.
std::string verify_failure_text(SSL* ssl);

}  // namespace sluice::tls
