#include "tls/server_context.h"

#include <gmock/gmock.h>

#include "tests/support/test_certificates.h"
#include "tests/unit/tls/handshake_pair.h"

namespace sluice::tls {
namespace {

using test::CertificateSpec;
using test::HandshakePair;
using test::KeyType;
using test::TestClient;
using ::testing::HasSubstr;

class ServerContextTest : public ::testing::Test {
 protected:
  // One certificate, named after its first name.
  void add(const std::string& name, KeyType key_type = KeyType::ecdsa_p256, const std::string& label = {}) {
    CertificateSpec spec;
    spec.common_name = label.empty() ? name : label;
    spec.alternative_names = {"DNS:" + name};
    spec.key_type = key_type;
    tls_.certificates.push_back(
        folder_.write_pair("c" + std::to_string(tls_.certificates.size()), test::issue(spec)));
  }
  ServerContext context() {
    if (tls_.certificates.empty()) add("default.example");
    if (!store_) store_ = CertificateStore::load(tls_, warnings_);
    return ServerContext(tls_, protocols_, store_, ticket_keys_);
  }
  // The common name of the certificate that a client asking for `server_name` gets.
  std::string served_for(const std::string& server_name) {
    const ServerContext server = context();
    HandshakePair pair(client_.new_session(server_name), server.new_session());
    EXPECT_TRUE(pair.run()) << pair.server_error() << " / " << pair.client_error();
    return pair.server_common_name();
  }

  test::TemporaryFolder folder_;
  config::ListenerTls tls_;
  std::vector<std::string> protocols_ = {"http/1.1"};
  std::vector<std::string> warnings_;
  std::shared_ptr<const CertificateStore> store_;
  std::shared_ptr<TicketKeys> ticket_keys_ = std::make_shared<TicketKeys>();
  TestClient client_;
};

TEST_F(ServerContextTest, ChoosesTheCertificateByServerName) {
  add("first.example");
  add("second.example");
  add("*.wild.example");
  EXPECT_EQ(served_for("second.example"), "second.example");
  EXPECT_EQ(served_for("first.example"), "first.example");
  EXPECT_EQ(served_for("any.wild.example"), "*.wild.example");
}

TEST_F(ServerContextTest, UnknownOrNoServerNameGetsTheDefault) {
  add("first.example");
  add("second.example");
  EXPECT_EQ(served_for("unknown.example"), "first.example");
  EXPECT_EQ(served_for("deep.second.example"), "first.example");
  EXPECT_EQ(served_for(""), "first.example");
}

TEST_F(ServerContextTest, ServerNameIsKnownToTheServer) {
  const ServerContext server = context();
  HandshakePair pair(client_.new_session("other.example"), server.new_session());
  ASSERT_TRUE(pair.run());
  EXPECT_STREQ(SSL_get_servername(pair.server(), TLSEXT_NAMETYPE_host_name), "other.example");
}

TEST_F(ServerContextTest, ServesRsaAndEcdsaForTheSameName) {
  add("default.example");
  add("a.example", KeyType::ecdsa_p256, "ecdsa");
  add("a.example", KeyType::rsa_2048, "rsa");
  EXPECT_EQ(served_for("a.example"), "ecdsa");
  SSL_CTX_set1_sigalgs_list(client_.context(), "rsa_pss_rsae_sha256");
  EXPECT_EQ(served_for("a.example"), "rsa");
  SSL_CTX_set1_sigalgs_list(client_.context(), "ECDSA+SHA256");
  EXPECT_EQ(served_for("a.example"), "ecdsa");
}

TEST_F(ServerContextTest, ServesRsaAndEcdsaAsTheDefaultUnderTls12) {
  add("a.example", KeyType::rsa_2048, "rsa");
  add("a.example", KeyType::ecdsa_p256, "ecdsa");
  SSL_CTX_set_max_proto_version(client_.context(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(client_.context(), "ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_EQ(served_for(""), "rsa");
  SSL_CTX_set_cipher_list(client_.context(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(served_for(""), "ecdsa");
}

TEST_F(ServerContextTest, TheDefaultsOtherKeyTypeDoesNotStandInForAChosenName) {
  add("default.example", KeyType::rsa_2048);
  add("default.example", KeyType::ecdsa_p256);
  add("b.example", KeyType::rsa_2048);
  EXPECT_EQ(served_for("b.example"), "b.example");
}

TEST_F(ServerContextTest, SendsTheChainOfTheChosenCertificate) {
  add("first.example");
  const test::IssuedCertificate root = test::issue_ca("root");
  const test::IssuedCertificate intermediate = test::issue_ca("intermediate", &root);
  CertificateSpec spec;
  spec.alternative_names = {"DNS:chained.example"};
  tls_.certificates.push_back(
      folder_.write_pair("chained", test::issue(spec, &intermediate), intermediate.certificate_pem()));
  const ServerContext server = context();
  HandshakePair chained(client_.new_session("chained.example"), server.new_session());
  ASSERT_TRUE(chained.run());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(chained.client())), 2);
  HandshakePair single(client_.new_session("first.example"), server.new_session());
  ASSERT_TRUE(single.run());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(single.client())), 1);
}

struct AlpnCase {
  std::vector<std::string> server;
  std::string client;  // wire format
  bool connects;
  std::string chosen;
};

TEST_F(ServerContextTest, NegotiatesTheProtocol) {
  using namespace std::string_literals;
  const std::string h2 = "\x02h2";
  const std::string http11 = "\x08http/1.1";
  const std::string http10 = "\x08http/1.0";
  const std::vector<AlpnCase> cases = {
      {{"http/1.1"}, "", true, ""},
      {{"http/1.1"}, http11, true, "http/1.1"},
      {{"http/1.1"}, h2 + http11, true, "http/1.1"},
      {{"h2", "http/1.1"}, http11 + h2, true, "h2"},  // the server's order
      {{"http/1.1"}, h2, false, ""},
      {{"http/1.1"}, http10, false, ""},
      {{"h2"}, http11, false, ""},
      {{"h2"}, "", true, ""},
      {{"h2"}, http10, false, ""},
  };
  for (const AlpnCase& wanted : cases) {
    protocols_ = wanted.server;
    const ServerContext server = context();
    SslPtr session = client_.new_session();
    SSL_set_alpn_protos(session.get(), reinterpret_cast<const unsigned char*>(wanted.client.data()),
                        static_cast<unsigned>(wanted.client.size()));
    HandshakePair pair(std::move(session), server.new_session());
    EXPECT_EQ(pair.run(), wanted.connects) << wanted.client;
    EXPECT_EQ(pair.alpn(), wanted.chosen) << wanted.client;
    if (!wanted.connects) {
      EXPECT_THAT(pair.client_error(), HasSubstr("no application protocol"));
    }
  }
}

TEST_F(ServerContextTest, HoldsTheMinimumVersion) {
  SSL_CTX_set_max_proto_version(client_.context(), TLS1_2_VERSION);
  {
    const ServerContext server = context();
    HandshakePair pair(client_.new_session(), server.new_session());
    EXPECT_TRUE(pair.run());
    EXPECT_EQ(SSL_version(pair.server()), TLS1_2_VERSION);
  }
  tls_.min_version = config::TlsVersion::v1_3;
  const ServerContext strict = context();
  HandshakePair refused(client_.new_session(), strict.new_session());
  EXPECT_FALSE(refused.run());
  EXPECT_THAT(refused.server_error(), HasSubstr("unsupported protocol"));
}

TEST_F(ServerContextTest, RefusesTls11) {
  SSL_CTX_set_security_level(client_.context(), 0);
  SSL_CTX_set_min_proto_version(client_.context(), TLS1_1_VERSION);
  SSL_CTX_set_max_proto_version(client_.context(), TLS1_1_VERSION);
  const ServerContext server = context();
  HandshakePair pair(client_.new_session(), server.new_session());
  EXPECT_FALSE(pair.run());
  EXPECT_THAT(pair.server_error(), HasSubstr("unsupported protocol"));
}

TEST_F(ServerContextTest, OffersForwardSecretAeadCiphersOnly) {
  const ServerContext server = context();
  const SslPtr ssl = server.new_session();
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_get_ciphers(ssl.get());
  ASSERT_GT(sk_SSL_CIPHER_num(ciphers), 0);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1) << SSL_CIPHER_get_name(cipher);
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    EXPECT_TRUE(exchange == NID_kx_ecdhe || exchange == NID_kx_any) << SSL_CIPHER_get_name(cipher);
  }
}

TEST_F(ServerContextTest, SetsModesAndOptions) {
  const ServerContext server = context();
  const SslPtr ssl = server.new_session();
  const std::uint64_t options = SSL_get_options(ssl.get());
  for (const std::uint64_t wanted : {SSL_OP_NO_COMPRESSION, SSL_OP_NO_RENEGOTIATION,
                                     SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_PRIORITIZE_CHACHA}) {
    EXPECT_EQ(options & wanted, wanted);
  }
  EXPECT_EQ(options & SSL_OP_IGNORE_UNEXPECTED_EOF, 0u);
  const long modes = SSL_get_mode(ssl.get());
  for (const long wanted :
       {SSL_MODE_RELEASE_BUFFERS, SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER}) {
    EXPECT_EQ(modes & wanted, wanted);
  }
  EXPECT_EQ(SSL_get_read_ahead(ssl.get()), 1);
  EXPECT_EQ(SSL_get_num_tickets(ssl.get()), 1u);
  EXPECT_EQ(SSL_get_max_early_data(ssl.get()), 0u);
}

TEST_F(ServerContextTest, RefusesRenegotiation) {
  SSL_CTX_set_max_proto_version(client_.context(), TLS1_2_VERSION);
  const ServerContext server = context();
  HandshakePair pair(client_.new_session(), server.new_session());
  ASSERT_TRUE(pair.run());
  ASSERT_EQ(SSL_renegotiate(pair.client()), 1);
  SSL_do_handshake(pair.client());
  char byte;
  SSL_read(pair.server(), &byte, 1);
  EXPECT_LE(SSL_do_handshake(pair.client()), 0);
  EXPECT_EQ(SSL_num_renegotiations(pair.server()), 0);
  EXPECT_TRUE(SSL_is_init_finished(pair.server()));
}

TEST_F(ServerContextTest, ASessionOutlivesItsContext) {
  add("first.example");
  add("second.example");
  auto server = std::make_unique<ServerContext>(context());
  SslPtr session = server->new_session();
  server.reset();
  store_.reset();
  ticket_keys_.reset();
  HandshakePair pair(client_.new_session("second.example"), std::move(session));
  EXPECT_TRUE(pair.run());
  EXPECT_EQ(pair.server_common_name(), "second.example");
  EXPECT_EQ(pair.echo_to_server("hello"), "hello");
}

TEST_F(ServerContextTest, AFailureAtCloseWithoutCloseNotify) {
  const ServerContext server = context();
  HandshakePair pair(client_.new_session(), server.new_session());
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(pair.echo_to_server("hello"), "hello");
  BIO_shutdown_wr(SSL_get_wbio(pair.client()));
  char byte;
  const int got = SSL_read(pair.server(), &byte, 1);
  EXPECT_EQ(SSL_get_error(pair.server(), got), SSL_ERROR_SSL);
}

}  // namespace
}  // namespace sluice::tls
