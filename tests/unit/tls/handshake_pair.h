// Two TLS sessions joined in memory: drives the handshake and what follows it without sockets or waits.
#pragma once

#include <string>

#include "tls/openssl_handles.h"
#include "tls/ssl_ptr.h"

namespace sluice::test {

using SessionPtr = std::unique_ptr<SSL_SESSION, tls::OpensslFree<SSL_SESSION_free>>;

// A client that accepts any certificate and offers whatever the test sets on it.
class TestClient {
 public:
  TestClient();
  SSL_CTX* context() { return context_.get(); }
  tls::SslPtr new_session(const std::string& server_name = {}, SSL_SESSION* resume = nullptr);

 private:
  tls::SslContextPtr context_;
};

class HandshakePair {
 public:
  HandshakePair(tls::SslPtr client_session, tls::SslPtr server_session);
  ~HandshakePair();
  HandshakePair(const HandshakePair&) = delete;
  HandshakePair& operator=(const HandshakePair&) = delete;

  // Both sides until each has finished or failed. False: one failed, see the errors.
  bool run();

  SSL* client() { return client_.get(); }
  SSL* server() { return server_.get(); }
  const std::string& client_error() const { return client_error_; }
  const std::string& server_error() const { return server_error_; }
  // The subject's common name of the certificate that the server showed.
  std::string server_common_name();
  std::string alpn();  // as the client sees it
  // What the client would resume with, with the newest ticket that it has read.
  SessionPtr client_session() { return SessionPtr(SSL_get1_session(client_.get())); }
  // Sends `text` client to server (and reads what the server sent meanwhile, such as tickets).
  std::string echo_to_server(const std::string& text);

 private:
  tls::SslPtr client_;
  tls::SslPtr server_;
  std::string client_error_;
  std::string server_error_;
};

}  // namespace sluice::test
