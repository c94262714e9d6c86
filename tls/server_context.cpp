#include "tls/server_context.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include "tls/client_certificates.h"
#include "tls/context_defaults.h"
#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

constexpr const char* kGroups = "X25519:P-256:P-384";

// What the callbacks need. Owned by the SSL_CTX as its ex_data.
struct CallbackState {
  std::shared_ptr<const CertificateStore> certificates;
  std::vector<PrivateKeyPtr> keys;  // this worker's copies, in the order of certificates
  std::shared_ptr<TicketKeys> ticket_keys;
  std::vector<std::string> protocols;
  // The staple of the certificate that was chosen; null: it has none that still holds.
  const OcspStaple* staple_for(const X509* leaf) const {
    for (const LoadedCertificate& certificate : certificates->certificates()) {
      if (certificate.leaf.get() != leaf || !certificate.staple) continue;
      const OcspStaple& staple = *certificate.staple;
      return staple.valid_until == 0 || staple.valid_until > std::time(nullptr) ? &staple : nullptr;
    }
    return nullptr;
  }
};

void free_state(void*, void* state, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<CallbackState*>(state);
}

int state_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_state);
  return index;
}

const CallbackState& state_of(const SSL_CTX* context) {
  return *static_cast<const CallbackState*>(SSL_CTX_get_ex_data(context, state_index()));
}

void require(bool done, const std::string& what) {
  if (!done) throw TlsLoadError(what + ": " + take_openssl_error_text());
}

// Runs once per handshake, after the ClientHello was read. Servers should go on when they do not know the
// name (RFC 6066, 3): the client judges the default certificate.
int choose_certificate(SSL* ssl, int* alert, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  const CallbackState& state = state_of(SSL_get_SSL_CTX(ssl));
  const CertificateStore& store = *state.certificates;
  const CertificateStore::Selection* selection = store.find(name);
  if (!selection) return SSL_TLSEXT_ERR_NOACK;
  if (*selection == store.default_selection()) return SSL_TLSEXT_ERR_OK;  // the context's own
  SSL_certs_clear(ssl);
  for (const std::size_t i : *selection) {
    const LoadedCertificate& certificate = store.certificates()[i];
    if (SSL_use_cert_and_key(ssl, certificate.leaf.get(), state.keys[i].get(), certificate.chain.get(), 1) !=
        1) {
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
  }
  return SSL_TLSEXT_ERR_OK;
}

// `offered` is a list of length-prefixed names, well formed: OpenSSL has checked it.
const unsigned char* find_offered(std::string_view protocol, const unsigned char* offered, unsigned size) {
  for (unsigned at = 0; at < size; at += 1u + offered[at]) {
    const unsigned length = offered[at];
    if (length == protocol.size() && std::memcmp(offered + at + 1, protocol.data(), length) == 0) {
      return offered + at;
    }
  }
  return nullptr;
}

// Not called when the client sends no ALPN at all, which is fine and means HTTP/1.1. RFC 7301, 3.2 asks for a
// fatal alert when nothing is in common.
int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned size, void*) {
  for (const std::string& protocol : state_of(SSL_get_SSL_CTX(ssl)).protocols) {
    if (const unsigned char* found = find_offered(protocol, offered, size)) {
      *length = *found;
      *chosen = found + 1;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// For a client that asked, after the certificate was chosen.
int staple_response(SSL* ssl, void*) {
  const OcspStaple* staple = state_of(SSL_get_SSL_CTX(ssl)).staple_for(SSL_get_certificate(ssl));
  if (staple == nullptr) return SSL_TLSEXT_ERR_NOACK;
  void* copy = OPENSSL_memdup(staple->der.data(), staple->der.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<int>(staple->der.size()));  // frees it
  return SSL_TLSEXT_ERR_OK;
}

int apply_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac, int sealing) {
  TicketKeys& keys = *state_of(SSL_get_SSL_CTX(ssl)).ticket_keys;
  if (sealing) return keys.seal(name, iv, cipher, mac);
  const int opened = keys.open(name, iv, cipher, mac);
  // Clients use a TLS 1.3 ticket only once (RFC 8446, C.4), so each resumption hands out the next one.
  return opened == 1 && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : opened;
}

bool add_digest(EVP_MD_CTX* digest, const X509* certificate) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  return X509_digest(certificate, EVP_sha256(), hash, &size) == 1 && EVP_DigestUpdate(digest, hash, size) == 1;
}

// Listeners may seal their tickets with the same keys; this keeps a session within listeners that serve the same certificates
// and ask the same of their clients. A resumed client is not verified again.
void set_session_context(SSL_CTX* context, const CertificateStore& store, config::ClientAuthMode mode,
                         const TrustStore* clients) {
  const std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>> digest(EVP_MD_CTX_new());
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  bool done = digest && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1;
  for (const LoadedCertificate& certificate : store.certificates()) {
    done = done && add_digest(digest.get(), certificate.leaf.get());
  }
  if (mode != config::ClientAuthMode::off) {
    const std::string_view what = mode == config::ClientAuthMode::require ? "require" : "request";
    done = done && EVP_DigestUpdate(digest.get(), what.data(), what.size()) == 1;
    for (int i = 0; i < sk_X509_num(clients->certificates()); ++i) {
      done = done && add_digest(digest.get(), sk_X509_value(clients->certificates(), i));
    }
  }
  done = done && EVP_DigestFinal_ex(digest.get(), hash, &size) == 1 &&
         SSL_CTX_set_session_id_context(context, hash, size) == 1;
  require(done, "cannot set the TLS session context");
}

}  // namespace

ServerContext::ServerContext(const config::ListenerTls& tls, const std::vector<std::string>& protocols,
                             std::shared_ptr<const CertificateStore> certificates,
                             std::shared_ptr<TicketKeys> ticket_keys, const TrustStore* clients)
    : context_(make_context(TLS_server_method(),
                            tls.min_version == config::TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION)) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  require(SSL_CTX_set1_groups_list(context, kGroups) == 1, "this OpenSSL lacks a key exchange group");
  require(SSL_CTX_set_num_tickets(context, 1) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1,
          "cannot configure session tickets");
  set_session_context(context, *certificates, tls.client_auth.mode, clients);
  ask_for_certificates(context, tls.client_auth.mode, clients);

  auto state = std::make_unique<CallbackState>();
  // An RSA key keeps blinding state under a lock, so each worker has copies; certificates are only read.
  for (const LoadedCertificate& certificate : certificates->certificates()) {
    state->keys.emplace_back(EVP_PKEY_dup(certificate.key.get()));
    require(state->keys.back() != nullptr, "cannot copy the private key of " + certificate.source);
  }
  for (const std::size_t i : certificates->default_selection()) {
    const LoadedCertificate& certificate = certificates->certificates()[i];
    require(SSL_CTX_use_cert_and_key(context, certificate.leaf.get(), state->keys[i].get(),
                                     certificate.chain.get(), 1) == 1,
            certificate.source + " cannot be used");
  }
  const std::vector<LoadedCertificate>& all = certificates->certificates();
  const bool any_staple = std::any_of(all.begin(), all.end(), [](const LoadedCertificate& one) { return one.staple.has_value(); });
  if (any_staple) SSL_CTX_set_tlsext_status_cb(context, staple_response);
  state->certificates = std::move(certificates);
  state->ticket_keys = std::move(ticket_keys);
  state->protocols = protocols;
  require(SSL_CTX_set_ex_data(context, state_index(), state.get()) == 1, "cannot attach to the TLS context");
  state.release();  // the SSL_CTX frees it

  SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, apply_ticket_key);
}

SslPtr ServerContext::new_session() const {
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

std::shared_ptr<const CertificateStore> ServerContext::certificates_of(const SSL& session) {
  return state_of(SSL_get_SSL_CTX(&session)).certificates;
}

}  // namespace sluice::tls
