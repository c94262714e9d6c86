#include "tls/client_context.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/x509v3.h>

#include <memory>

#include "tls/client_sessions.h"
#include "tls/context_defaults.h"
#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

// ALPN: saying HTTP/1.1 keeps a backend that prefers HTTP/2 from choosing it.
constexpr unsigned char kAlpn[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr std::size_t kAlpnHttp11 = 3;  // where that begins

// Returns 0 for success, as OpenSSL does there.
int offer(SSL* ssl, OfferedProtocols protocols) {
  if (protocols == OfferedProtocols::http_1_1) return 0;  // the context's
  return SSL_set_alpn_protos(ssl, kAlpn, protocols == OfferedProtocols::h2 ? kAlpnHttp11 : sizeof kAlpn);
}
// P-521 too: under TLS 1.2 a backend's ECDSA key must be on an offered curve.
constexpr const char* kGroups = "X25519:P-256:P-384:P-521";

bool is_ip_literal(const std::string& host) {
  unsigned char address[16];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

// RFC 6066, 3: SNI carries DNS names only. RFC 6125: an IP address is compared with iPAddress entries.
bool expect_ip(SSL* ssl, const std::string& address) {
  return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address.c_str()) == 1;
}

bool expect_name(SSL* ssl, std::string name) {
  if (!name.empty() && name.back() == '.')
    name.pop_back();  // neither SNI nor certificates have the root's dot
  if (name.empty() || SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1;
}

}  // namespace

ClientContext::ClientContext(const config::UpstreamTls& tls, const TrustStore& trust, const LoadedCertificate* shown)
    : server_name_(tls.server_name), context_(make_context(TLS_client_method(), TLS1_2_VERSION)) {
  SSL_CTX* context = context_.get();
  // Returns 0 for success, unlike its neighbours.
  const bool alpn_set = SSL_CTX_set_alpn_protos(context, kAlpn + kAlpnHttp11, sizeof kAlpn - kAlpnHttp11) == 0;
  if (!alpn_set || SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    throw TlsLoadError("cannot make a TLS context for an upstream: " + take_openssl_error_text());
  }
  keep_sessions(context);
  SSL_CTX_set1_cert_store(context, trust.get());
  SSL_CTX_set_verify(context, tls.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (shown == nullptr) return;
  const PrivateKeyPtr key(EVP_PKEY_dup(shown->key.get()));  // one for each worker: its state is under a lock
  if (!key || SSL_CTX_use_cert_and_key(context, shown->leaf.get(), key.get(), shown->chain.get(), 1) != 1) {
    throw TlsLoadError(shown->source + " cannot be used: " + take_openssl_error_text());
  }
}

SslPtr ClientContext::new_session(const std::string& endpoint_host, const std::string& endpoint, OfferedProtocols protocols) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return nullptr;
  SSL_set_connect_state(ssl.get());
  const std::string& name = server_name_.empty() ? endpoint_host : server_name_;
  const bool named = is_ip_literal(name) ? expect_ip(ssl.get(), name) : expect_name(ssl.get(), name);
  if (!named || offer(ssl.get(), protocols) != 0) return nullptr;
  if (!endpoint.empty()) offer_session(ssl.get(), endpoint);
  return ssl;
}

std::string verify_failure_text(SSL* ssl) {
  const long result = SSL_get_verify_result(ssl);
  if (result == X509_V_OK) return {};
  std::string text = X509_verify_cert_error_string(result);
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (result == X509_V_ERR_HOSTNAME_MISMATCH) {
    if (const char* host = X509_VERIFY_PARAM_get0_host(parameters, 0))
      text += std::string("; expected ") + host;
  } else if (result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    char* address = X509_VERIFY_PARAM_get1_ip_asc(parameters);
    if (address) text += std::string("; expected ") + address;
    OPENSSL_free(address);
  }
  return text;
}

}  // namespace sluice::tls
