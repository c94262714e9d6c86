#include "tests/unit/tls/handshake_pair.h"

#include <openssl/err.h>

#include <array>
#include <stdexcept>

#include "tls/openssl_error.h"

namespace sluice::test {
namespace {

enum class Step { done, waiting, failed };

Step step(SSL* ssl, std::string& error) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return Step::done;
  const int reason = SSL_get_error(ssl, result);
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return Step::waiting;
  error = tls::take_openssl_error_text();
  return Step::failed;
}

}  // namespace

TestClient::TestClient() : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
}

tls::SslPtr TestClient::new_session(const std::string& server_name, SSL_SESSION* resume) {
  tls::SslPtr ssl(SSL_new(context_.get()));
  SSL_set_connect_state(ssl.get());
  if (!server_name.empty()) SSL_set_tlsext_host_name(ssl.get(), server_name.c_str());
  if (resume) SSL_set_session(ssl.get(), resume);
  return ssl;
}

HandshakePair::HandshakePair(tls::SslPtr client_session, tls::SslPtr server_session)
    : client_(std::move(client_session)), server_(std::move(server_session)) {
  BIO* client_end = nullptr;
  BIO* server_end = nullptr;
  if (!client_ || !server_ || BIO_new_bio_pair(&client_end, 1 << 16, &server_end, 1 << 16) != 1) {
    throw std::runtime_error("no TLS sessions to join");
  }
  SSL_set_bio(client_.get(), client_end, client_end);
  SSL_set_bio(server_.get(), server_end, server_end);
}

HandshakePair::~HandshakePair() {
  // OpenSSL takes a session that was not shut down for a broken one and forbids its resumption.
  SSL_set_shutdown(client_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

bool HandshakePair::run() {
  constexpr int kMaxFlights = 10;
  Step client_step = Step::waiting;
  Step server_step = Step::waiting;
  // A side that failed is left alone; the other one reads its alert.
  for (int flight = 0; flight < kMaxFlights; ++flight) {
    if (client_step != Step::failed) client_step = step(client_.get(), client_error_);
    if (server_step != Step::failed) server_step = step(server_.get(), server_error_);
    if (client_step == Step::done && server_step == Step::done) return true;
  }
  return false;
}

std::string HandshakePair::server_common_name() {
  const tls::CertificatePtr certificate(SSL_get1_peer_certificate(client_.get()));
  if (!certificate) return {};
  std::array<char, 256> text{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, text.data(),
                            text.size());
  return text.data();
}

std::string HandshakePair::alpn() {
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(client_.get(), &chosen, &length);
  return std::string(reinterpret_cast<const char*>(chosen), length);
}

std::string HandshakePair::echo_to_server(const std::string& text) {
  std::array<char, 256> buffer;
  SSL_read(client_.get(), buffer.data(), 1);  // takes the tickets; there is no application data
  SSL_write(client_.get(), text.data(), static_cast<int>(text.size()));
  const int got = SSL_read(server_.get(), buffer.data(), buffer.size());
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

}  // namespace sluice::test
