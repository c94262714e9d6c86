#include "tls/client_context.h"

#include <gmock/gmock.h>

#include "tests/support/test_certificates.h"
#include "tests/unit/tls/handshake_pair.h"
#include "tls/client_certificates.h"
#include "tls/client_sessions.h"
#include "tls/server_context.h"

namespace sluice::tls {
namespace {

using test::CertificateSpec;
using test::HandshakePair;
using test::IssuedCertificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ClientContextTest : public ::testing::Test {
 protected:
  ClientContextTest() { upstream_.ca = folder_.write("ca.pem", ca_.certificate_pem()); }

  CertificateSpec backend_spec() {
    CertificateSpec spec;
    spec.alternative_names = {"DNS:backend.example", "IP:10.0.0.1", "IP:fd00::1"};
    return spec;
  }
  void serve(const IssuedCertificate& certificate, const std::string& chain_pem = {}) {
    config::ListenerTls tls;
    tls.certificates.push_back(folder_.write_pair("backend", certificate, chain_pem));
    backend_.emplace(tls, std::vector<std::string>{"h2", "http/1.1"}, CertificateStore::load(tls, warnings_),
                     std::make_shared<TicketKeys>());
  }
  // Why the certificate does not verify for `host`; empty when the handshake succeeds.
  std::string failure(const std::string& host) {
    warnings_.clear();
    const ClientContext context(upstream_, *TrustStore::load(upstream_, warnings_));
    pair_ = std::make_unique<HandshakePair>(context.new_session(host), backend_->new_session());
    if (pair_->run()) return {};
    EXPECT_THAT(pair_->client_error(), HasSubstr("certificate verify failed"));
    return verify_failure_text(pair_->client());
  }
  const char* server_name_sent() { return SSL_get_servername(pair_->server(), TLSEXT_NAMETYPE_host_name); }

  test::TemporaryFolder folder_;
  IssuedCertificate ca_ = test::issue_ca("internal CA");
  config::UpstreamTls upstream_;
  std::vector<std::string> warnings_;
  std::optional<ServerContext> backend_;
  std::unique_ptr<HandshakePair> pair_;
};

TEST_F(ClientContextTest, VerifiesChainAndNameAndAsksForHttp11) {
  serve(test::issue(backend_spec(), &ca_));
  EXPECT_EQ(failure("backend.example"), "");
  EXPECT_STREQ(server_name_sent(), "backend.example");
  EXPECT_EQ(pair_->alpn(), "http/1.1");
  EXPECT_EQ(verify_failure_text(pair_->client()), "");
  EXPECT_EQ(failure("Backend.Example."), "");
  EXPECT_STREQ(server_name_sent(), "Backend.Example");
}

TEST_F(ClientContextTest, OffersWhatASessionIsToSpeak) {
  serve(test::issue(backend_spec(), &ca_));
  const ClientContext context(upstream_, *TrustStore::load(upstream_, warnings_));
  for (const auto& [offered, agreed] :
       {std::pair(OfferedProtocols::http_1_1, "http/1.1"), std::pair(OfferedProtocols::h2_and_http_1_1, "h2"),
        std::pair(OfferedProtocols::h2, "h2")}) {
    HandshakePair pair(context.new_session("backend.example", {}, offered), backend_->new_session());
    EXPECT_TRUE(pair.run());
    EXPECT_EQ(pair.alpn(), agreed);
  }
}

TEST_F(ClientContextTest, RefusesAWrongName) {
  serve(test::issue(backend_spec(), &ca_));
  EXPECT_THAT(failure("other.example"), HasSubstr("hostname mismatch; expected other.example"));
}

TEST_F(ClientContextTest, TheConfiguredServerNameReplacesTheHost) {
  serve(test::issue(backend_spec(), &ca_));
  upstream_.server_name = "backend.example";
  EXPECT_EQ(failure("10.9.9.9"), "");
  EXPECT_STREQ(server_name_sent(), "backend.example");
  upstream_.server_name = "other.example";
  EXPECT_THAT(failure("backend.example"), HasSubstr("expected other.example"));
}

TEST_F(ClientContextTest, VerifiesIpLiteralsWithoutServerName) {
  serve(test::issue(backend_spec(), &ca_));
  EXPECT_EQ(failure("10.0.0.1"), "");
  EXPECT_EQ(server_name_sent(), nullptr);
  EXPECT_EQ(failure("fd00::1"), "");
  EXPECT_EQ(server_name_sent(), nullptr);
  EXPECT_THAT(failure("10.0.0.2"), HasSubstr("IP address mismatch; expected 10.0.0.2"));
}

TEST_F(ClientContextTest, RefusesAnUnknownCa) {
  const IssuedCertificate stranger = test::issue_ca("stranger");
  serve(test::issue(backend_spec(), &stranger), stranger.certificate_pem());
  EXPECT_THAT(failure("backend.example"), HasSubstr("self-signed certificate in certificate chain"));
  serve(test::issue(backend_spec()));
  EXPECT_THAT(failure("backend.example"), HasSubstr("self-signed certificate"));
}

TEST_F(ClientContextTest, RefusesAnExpiredCertificate) {
  CertificateSpec spec = backend_spec();
  spec.valid_from_days = -20;
  spec.valid_to_days = -1;
  serve(test::issue(spec, &ca_));
  EXPECT_THAT(failure("backend.example"), HasSubstr("certificate has expired"));
}

TEST_F(ClientContextTest, RefusesACertificateForClientsOnly) {
  CertificateSpec spec = backend_spec();
  spec.extended_key_usage = "clientAuth";
  serve(test::issue(spec, &ca_));
  EXPECT_THAT(failure("backend.example"), HasSubstr("purpose"));
}

TEST_F(ClientContextTest, WithoutVerificationEverythingPassesAndTheNameIsStillSent) {
  serve(test::issue(CertificateSpec{}));
  upstream_ = {};
  upstream_.verify = false;
  EXPECT_EQ(failure("backend.example"), "");
  EXPECT_STREQ(server_name_sent(), "backend.example");
}

TEST_F(ClientContextTest, TheCaFileMayHoldAnIntermediateOrTheBackendsOwnCertificate) {
  const IssuedCertificate intermediate = test::issue_ca("intermediate", &ca_);
  const IssuedCertificate leaf = test::issue(backend_spec(), &intermediate);
  serve(leaf);
  EXPECT_THAT(failure("backend.example"), HasSubstr("unable to get local issuer certificate"));
  upstream_.ca = folder_.write("intermediate.pem", intermediate.certificate_pem());
  EXPECT_EQ(failure("backend.example"), "");
  upstream_.ca = folder_.write("leaf.pem", leaf.certificate_pem());
  EXPECT_EQ(failure("backend.example"), "");
}

TEST_F(ClientContextTest, TheSystemStoreDoesNotKnowAPrivateCa) {
  serve(test::issue(backend_spec(), &ca_));
  upstream_.ca.clear();
  EXPECT_NE(failure("backend.example"), "");
}

TEST_F(ClientContextTest, RefusesOldVersions) {
  serve(test::issue(backend_spec(), &ca_));
  SslPtr backend = backend_->new_session();
  SSL_set_security_level(backend.get(), 0);
  SSL_set_cipher_list(backend.get(), "ALL");
  SSL_set_min_proto_version(backend.get(), TLS1_1_VERSION);
  SSL_set_max_proto_version(backend.get(), TLS1_1_VERSION);
  const ClientContext context(upstream_, *TrustStore::load(upstream_, warnings_));
  HandshakePair pair(context.new_session("backend.example"), std::move(backend));
  EXPECT_FALSE(pair.run());
}

TEST_F(ClientContextTest, ANameThatCannotBeOneGivesNoSession) {
  const ClientContext context(upstream_, *TrustStore::load(upstream_, warnings_));
  EXPECT_EQ(context.new_session(std::string(300, 'a')), nullptr);
  EXPECT_EQ(context.new_session(""), nullptr);
}

TEST_F(ClientContextTest, SaysWhatIsWrongWithTheCaFile) {
  upstream_.ca = folder_.path("none.pem");
  EXPECT_THROW(TrustStore::load(upstream_, warnings_), TlsLoadError);
  upstream_.ca = folder_.write("empty.pem", "");
  EXPECT_THROW(TrustStore::load(upstream_, warnings_), TlsLoadError);
  EXPECT_THAT(warnings_, IsEmpty());
  CertificateSpec old;
  old.common_name = "old CA";
  old.ca = true;
  old.valid_from_days = -20;
  old.valid_to_days = -1;
  upstream_.ca = folder_.write("old.pem", test::issue(old).certificate_pem());
  TrustStore::load(upstream_, warnings_);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("the CA CN=old CA is expired on")));
}

TEST_F(ClientContextTest, WarnsWhenTheSystemHasNoTrustStore) {
  upstream_.ca.clear();
  setenv("SSL_CERT_FILE", folder_.path("none.pem").c_str(), 1);
  setenv("SSL_CERT_DIR", folder_.path("none").c_str(), 1);
  TrustStore::load(upstream_, warnings_);
  unsetenv("SSL_CERT_FILE");
  unsetenv("SSL_CERT_DIR");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("install ca-certificates")));
}

TEST_F(ClientContextTest, ShowsItsCertificateWithTheChain) {
  const IssuedCertificate intermediate = test::issue_ca("intermediate", &ca_);
  CertificateSpec spec;
  spec.common_name = "gateway";
  spec.extended_key_usage = "clientAuth";
  const LoadedCertificate shown = load_certificate(
      folder_.write_pair("gateway", test::issue(spec, &intermediate), intermediate.certificate_pem()), warnings_,
      CertificateUse::client);
  config::ListenerTls tls;
  tls.client_auth.mode = config::ClientAuthMode::require;
  tls.certificates.push_back(folder_.write_pair("backend", test::issue(backend_spec(), &ca_)));
  const std::shared_ptr<const TrustStore> trust = TrustStore::load(upstream_.ca, warnings_);
  const ServerContext backend(tls, {"http/1.1"}, CertificateStore::load(tls, warnings_), std::make_shared<TicketKeys>(),
                              trust.get());
  const ClientContext silent(upstream_, *trust);
  EXPECT_FALSE(HandshakePair(silent.new_session("backend.example"), backend.new_session()).run());
  const ClientContext speaking(upstream_, *trust, &shown);
  HandshakePair pair(speaking.new_session("backend.example"), backend.new_session());
  ASSERT_TRUE(pair.run()) << pair.server_error();
  EXPECT_EQ(client_subject(pair.server()), "CN=gateway");
}

// ---- sessions that are resumed -------------------------------------------------------------------------------------

class ResumedSessionsTest : public ClientContextTest {
 protected:
  ResumedSessionsTest() { serve(test::issue(backend_spec(), &ca_)); }

  std::unique_ptr<ClientContext> make_client() {
    return std::make_unique<ClientContext>(upstream_, *TrustStore::load(upstream_, warnings_));
  }
  // Whether a connection resumed an earlier session.
  bool resumed(ClientContext& client, const std::string& endpoint = "https://one", int version = TLS1_3_VERSION) {
    pair_.reset();  // without close_notify
    SslPtr session = client.new_session("backend.example", endpoint);
    SSL_set_max_proto_version(session.get(), version);
    pair_ = std::make_unique<HandshakePair>(std::move(session), backend_->new_session());
    const Clock::time_point began = Clock::now();
    EXPECT_TRUE(pair_->run()) << pair_->client_error();
    pair_->echo_to_server("x");  // what reads the tickets
    drop_refused_sessions(pair_->client(), began);
    return SSL_session_reused(pair_->client()) == 1;
  }
};

TEST_F(ResumedSessionsTest, ByEndpointAndContext) {
  const auto client = make_client(), other = make_client();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    const std::string name = "https://" + std::to_string(version);
    EXPECT_FALSE(resumed(*client, name, version));
    EXPECT_TRUE(resumed(*client, name, version));
    EXPECT_TRUE(resumed(*client, name, version)) << "again and again";
    EXPECT_FALSE(resumed(*client, name + ":1", version)) << "another endpoint";
    EXPECT_FALSE(resumed(*other, name, version)) << "another context";
  }
}

TEST_F(ResumedSessionsTest, NotWhereItIsNotAskedFor) {
  const auto client = make_client();
  EXPECT_FALSE(resumed(*client, ""));
  EXPECT_FALSE(resumed(*client, ""));
}

TEST_F(ResumedSessionsTest, AnotherServersKeysAreMetWithAFullHandshakeAndForgotten) {
  const auto client = make_client();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    resumed(*client, "https://one", version);
    EXPECT_TRUE(resumed(*client, "https://one", version));
    serve(test::issue(backend_spec(), &ca_));  // it starts anew, with other ticket keys
    EXPECT_FALSE(resumed(*client, "https://one", version));
    EXPECT_TRUE(resumed(*client, "https://one", version));
  }
}

TEST_F(ResumedSessionsTest, AFewAtOnceAndEachOnce) {
  const auto client = make_client();
  for (int i = 0; i < 10; ++i) resumed(*client);  // each brings one more than it takes, or as many
  std::vector<std::unique_ptr<HandshakePair>> pairs;
  std::size_t reused = 0;
  for (std::size_t i = 0; i < kMostSessions + 2; ++i) {  // none of them reads the tickets that it is sent
    pairs.push_back(std::make_unique<HandshakePair>(client->new_session("backend.example", "https://one"), backend_->new_session()));
    ASSERT_TRUE(pairs.back()->run());
    reused += SSL_session_reused(pairs.back()->client()) == 1 ? 1u : 0u;
  }
  EXPECT_GE(reused, 1u);
  EXPECT_LE(reused, kMostSessions);
}

TEST_F(ResumedSessionsTest, NotBeyondTheEndOfACertificate) {
  CertificateSpec valid = backend_spec(), issuer;
  issuer.ca = true;
  valid.valid_from_days = issuer.valid_from_days = -3;
  CertificateSpec old = valid, old_issuer = issuer;
  old.valid_to_days = old_issuer.valid_to_days = -1;
  issuer.common_name = "a CA";
  old_issuer.common_name = "old CA";
  const IssuedCertificate ca = test::issue(issuer), old_ca = test::issue(old_issuer);
  upstream_.ca = folder_.write("cas.pem", ca.certificate_pem() + old_ca.certificate_pem());
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    for (const bool leaf : {true, false}) {
      serve(leaf ? test::issue(old, &ca) : test::issue(valid, &old_ca));
      const auto client = make_client();
      for (int i = 0; i < 2; ++i) {
        SslPtr session = client->new_session("backend.example", "https://one");
        SSL_set_max_proto_version(session.get(), version);
        X509_VERIFY_PARAM_set_time(SSL_get0_param(session.get()), std::time(nullptr) - 2 * 86400);  // when all were valid
        pair_ = std::make_unique<HandshakePair>(std::move(session), backend_->new_session());
        ASSERT_TRUE(pair_->run()) << pair_->client_error();
        pair_->echo_to_server("x");
        EXPECT_EQ(SSL_session_reused(pair_->client()), 0) << (leaf ? "leaf" : "issuer");
      }
    }
  }
}

TEST_F(ResumedSessionsTest, AConnectionMayOutliveItsContext) {
  auto client = make_client();
  resumed(*client);
  client.reset();
  pair_->echo_to_server("y");
}

TEST_F(ResumedSessionsTest, ABackendThatFailsToVerifyLeavesNothing) {
  CertificateSpec spec = backend_spec();
  spec.alternative_names = {"DNS:other.example"};
  serve(test::issue(spec, &ca_));
  const auto client = make_client();
  for (int i = 0; i < 2; ++i) {
    pair_ = std::make_unique<HandshakePair>(client->new_session("backend.example", "https://one"), backend_->new_session());
    EXPECT_FALSE(pair_->run());
    EXPECT_EQ(SSL_session_reused(pair_->client()), 0);
  }
}

}  // namespace
}  // namespace sluice::tls
