// Makes the TLS sessions of one listener on one worker. It owns an SSL_CTX of its own, since the reference
// counts and locks of a shared one are contended; certificates and ticket keys come from outside and are
// shared. One thread at a time. A session may outlive the context that made it (a tunnel does, after a
// reload): everything the callbacks need belongs to the SSL_CTX, which the session keeps alive.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/listener_config.h"
#include "tls/certificate_store.h"
#include "tls/openssl_handles.h"
#include "tls/ssl_ptr.h"
#include "tls/ticket_keys.h"
#include "tls/trust_store.h"

namespace sluice::tls {

class ServerContext {
 public:
  // `protocols` is the ALPN list in the order of preference. `clients`: who signs the clients' certificates; null when they are
  // not asked for one. Throws TlsLoadError.
  ServerContext(const config::ListenerTls& tls, const std::vector<std::string>& protocols,
                std::shared_ptr<const CertificateStore> certificates,
                std::shared_ptr<TicketKeys> ticket_keys, const TrustStore* clients = nullptr);

  // A session in accept state, without a BIO. Null when memory is out.
  SslPtr new_session() const;

  // Those that a session of some context chose among.
  static std::shared_ptr<const CertificateStore> certificates_of(const SSL& session);

 private:
  SslContextPtr context_;
};

}  // namespace sluice::tls
