#include "tls/client_certificates.h"

#include <openssl/asn1.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "tls/load_certificate.h"
#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

// Of a certificate that nobody vouches for: its subject may be a whole log.
constexpr std::size_t kLongestRefused = 200;

void free_text(void*, void* text, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(text);
}

// Where a session keeps the subject of the certificate that was refused: OpenSSL itself drops it.
int refused_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_text);
  return index;
}

int note_refused(int verified, X509_STORE_CTX* verification) {
  if (verified == 1) return 1;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const X509* certificate = X509_STORE_CTX_get_current_cert(verification);
  if (ssl == nullptr || certificate == nullptr || SSL_get_ex_data(ssl, refused_index()) != nullptr) return 0;
  auto text = std::make_unique<std::string>(subject_text(certificate));
  if (text->size() > kLongestRefused) text->replace(kLongestRefused, std::string::npos, "...");
  if (SSL_set_ex_data(ssl, refused_index(), text.get()) == 1) text.release();  // the session frees it
  return 0;
}

std::optional<std::time_t> end_of(const X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return std::nullopt;
  return ::timegm(&parts);
}

// Writes into the ticket until when the certificates hold. A session that is resumed has it from its full
// handshake already, whose chain is not known any more.
int seal_end_of_certificates(SSL* ssl, void*) {
  const STACK_OF(X509)* chain = SSL_session_reused(ssl) ? nullptr : SSL_get0_verified_chain(ssl);
  if (chain == nullptr) return 1;
  std::optional<std::time_t> first;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const std::optional<std::time_t> end = end_of(sk_X509_value(chain, i));
    if (!end) return 1;  // without the entry the ticket is never accepted
    first = first ? std::min(*first, *end) : *end;
  }
  if (!first) return 1;
  const std::string text = std::to_string(*first);
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), text.data(), text.size());
}

bool certificates_hold(SSL_SESSION* session) {
  if (SSL_SESSION_get0_peer(session) == nullptr) return true;  // the client had none, which the mode allowed
  void* data = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || data == nullptr) return false;
  const char* text = static_cast<const char*>(data);
  std::time_t end = 0;
  return std::from_chars(text, text + size, end).ec == std::errc{} && std::time(nullptr) < end;
}

// Each TLS 1.3 resumption renews its ticket, so without this an expired certificate would serve for ever.
SSL_TICKET_RETURN check_end_of_certificates(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                                            SSL_TICKET_STATUS status, void*) {
  const bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!opened || !certificates_hold(session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

void ask_for_certificates(SSL_CTX* context, config::ClientAuthMode mode, const TrustStore* trust) {
  if (mode == config::ClientAuthMode::off) return;
  const int required = mode == config::ClientAuthMode::require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, note_refused);
  SSL_CTX_set1_cert_store(context, trust->get());
  bool done = SSL_CTX_set_session_ticket_cb(context, seal_end_of_certificates, check_end_of_certificates,
                                            nullptr) == 1;
  // Told to the client, so that it knows which of its certificates is meant.
  for (int i = 0; i < sk_X509_num(trust->certificates()); ++i) {
    done = done && SSL_CTX_add_client_CA(context, sk_X509_value(trust->certificates(), i)) == 1;
  }
  if (!done) throw TlsLoadError("cannot ask clients for certificates: " + take_openssl_error_text());
}

std::string client_subject(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  const char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

std::string client_refusal_text(SSL* ssl) {
  std::string text = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
  if (const auto* subject = static_cast<const std::string*>(SSL_get_ex_data(ssl, refused_index()))) {
    text += ": " + *subject;
  }
  return text;
}

}  // namespace sluice::tls
