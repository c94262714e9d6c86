// How a listener asks its clients for certificates: what is set on a context, and what a session then knows
// of its client. Functions of OpenSSL's objects, used by the thread that these belong to.
#pragma once

#include <string>

#include "config/listener_config.h"
#include "tls/openssl_handles.h"
#include "tls/trust_store.h"

namespace sluice::tls {

// Makes `context` ask for a certificate signed by one of `trust`, unless the mode is off. A session that is
// resumed keeps the client that its full handshake verified, until that client's certificate or one of its
// issuers expires. Throws TlsLoadError.
void ask_for_certificates(SSL_CTX* context, config::ClientAuthMode mode, const TrustStore* trust);

// The subject of the verified certificate as RFC 4514 writes it, in ASCII and with everything escaped that
// could be read as another field; empty without a certificate.
std::string client_subject(SSL* ssl);

// Why the certificate was refused and whose it says it is, for logs.
std::string client_refusal_text(SSL* ssl);

}  // namespace sluice::tls
