#include "tls/context_defaults.h"

#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

// Forward secrecy and AEAD only. AES-128 first: as strong as anyone needs and the cheapest with AES-NI;
// clients without it put ChaCha20 first and are heard (SSL_OP_PRIORITIZE_CHACHA).
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kTls13Ciphers =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr int kSecurityLevel = 2;  // RSA 2048, no SHA-1 signatures

}  // namespace

SslContextPtr make_context(const SSL_METHOD* method, int min_version) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context) throw TlsLoadError("cannot make a TLS context: " + take_openssl_error_text());
  SSL_CTX* raw = context.get();
  // The system's openssl.cnf was applied by SSL_CTX_new; what matters is set here whatever it says.
  SSL_CTX_set_security_level(raw, kSecurityLevel);
  if (SSL_CTX_set_min_proto_version(raw, min_version) != 1 || SSL_CTX_set_max_proto_version(raw, 0) != 1 ||
      SSL_CTX_set_cipher_list(raw, kTls12Ciphers) != 1 || SSL_CTX_set_ciphersuites(raw, kTls13Ciphers) != 1) {
    throw TlsLoadError("this OpenSSL lacks the TLS versions or ciphers that the gateway uses: " +
                       take_openssl_error_text());
  }
  // A body that ends without close_notify may have been cut by an attacker: it must stay an error.
  SSL_CTX_clear_options(raw, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                                 SSL_OP_LEGACY_SERVER_CONNECT);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Idle connections own no buffers; writes may be partial and repeated from another address. OpenSSL must
  // not look for chains by itself on each handshake: certificate files say what is sent.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace sluice::tls
