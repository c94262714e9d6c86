// Both ends of TLS connections for unit tests: contexts of the gateway's own making for "localhost", and
// pairs of streams.
#pragma once

#include "tests/support/io_harness.h"
#include "tests/support/test_certificates.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sluice::test {

class TlsHarness {
 public:
  // The server's certificate is for localhost, signed by a CA that the client trusts.
  TlsHarness() {
    CertificateSpec spec;
    spec.alternative_names = {"DNS:localhost", "IP:127.0.0.1"};
    config::ListenerTls listener;
    listener.certificates.push_back(folder_.write_pair("localhost", issue(spec, &ca_)));
    server_.emplace(listener, std::vector<std::string>{"http/1.1"},
                    tls::CertificateStore::load(listener, warnings_), std::make_shared<tls::TicketKeys>());
    config::UpstreamTls upstream;
    upstream.ca = folder_.write("ca.pem", ca_.certificate_pem());
    client_ = std::make_shared<tls::ClientContext>(upstream, *tls::TrustStore::load(upstream, warnings_));
  }
  tls::SslPtr server_session() const { return server_->new_session(); }
  tls::SslPtr client_session(const std::string& host = "localhost") const {
    return client_->new_session(host);
  }
  const std::shared_ptr<const tls::ClientContext>& client_context() const { return client_; }

 private:
  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
  IssuedCertificate ca_ = issue_ca("test CA");
  std::optional<tls::ServerContext> server_;
  std::shared_ptr<const tls::ClientContext> client_;
};

inline Awaitable<> shake_hands(tls::Stream& stream, ErrorCode& error) { error = co_await stream.handshake(); }

// A TLS connection between two streams of the same loop.
struct TlsPair {
  tls::StreamPtr client;
  tls::StreamPtr server;
  ErrorCode client_error;
  ErrorCode server_error;

  TlsPair(IoHarness& harness, const TlsHarness& tls, const std::string& host = "localhost",
          int buffer_size = 0)
      : TlsPair(harness, tls.client_session(host), tls.server_session(), buffer_size) {}
  TlsPair(IoHarness& harness, tls::SslPtr client_session, tls::SslPtr server_session, int buffer_size = 0) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    if (buffer_size > 0) {
      for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    }
    client = tls::Stream::secure(harness.io, tls::Descriptor(ends[0]), std::move(client_session));
    server = tls::Stream::secure(harness.io, tls::Descriptor(ends[1]), std::move(server_session));
    bool client_done = false;
    bool server_done = false;
    harness.spawn(shake_hands(*client, client_error), client_done);
    harness.spawn(shake_hands(*server, server_error), server_done);
    check(harness.run_until([&] { return client_done && server_done; }), "the handshake did not end");
  }
};

}  // namespace sluice::test
