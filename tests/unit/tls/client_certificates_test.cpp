#include "tls/client_certificates.h"

#include <gmock/gmock.h>

#include "tests/support/test_certificates.h"
#include "tests/unit/tls/handshake_pair.h"
#include "tls/server_context.h"

namespace sluice::tls {
namespace {

using config::ClientAuthMode;
using test::CertificateSpec;
using test::HandshakePair;
using test::IssuedCertificate;
using test::SessionPtr;
using test::TestClient;
using ::testing::HasSubstr;

// Over both versions of TLS: they ask, refuse and resume at different moments.
class ClientCertificatesTest : public ::testing::TestWithParam<int> {
 protected:
  ClientCertificatesTest() {
    SSL_CTX_set_max_proto_version(client_.context(), GetParam());
    CertificateSpec spec;
    spec.alternative_names = {"DNS:localhost"};
    tls_.certificates.push_back(folder_.write_pair("server", test::issue(spec)));
    store_ = CertificateStore::load(tls_, warnings_);
  }
  ServerContext server(ClientAuthMode mode, const IssuedCertificate& ca) {
    tls_.client_auth.mode = mode;
    trust_ = mode == ClientAuthMode::off
                 ? nullptr
                 : TrustStore::load(folder_.write("clients.pem", ca.certificate_pem()), warnings_);
    return ServerContext(tls_, {"http/1.1"}, store_, keys_, trust_.get());
  }
  ServerContext server(ClientAuthMode mode) { return server(mode, ca_); }

  static IssuedCertificate issue(const std::string& name, const IssuedCertificate* issuer,
                                 const std::string& usage = "clientAuth", int days = 30) {
    CertificateSpec spec;
    spec.common_name = name;
    spec.extended_key_usage = usage;
    spec.valid_from_days = -3;
    spec.valid_to_days = days;
    return test::issue(spec, issuer);
  }
  void show(const IssuedCertificate& certificate, const IssuedCertificate* intermediate = nullptr) {
    ASSERT_EQ(SSL_CTX_use_certificate(client_.context(), certificate.certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(client_.context(), certificate.key.get()), 1);
    if (intermediate) SSL_CTX_add1_chain_cert(client_.context(), intermediate->certificate.get());
  }
  struct Outcome {
    bool done;
    bool resumed;
    std::string subject;
    std::string refusal;
    std::string error;
    SessionPtr session;
  };
  // `ignore_dates`: as if the handshake were at a time when every certificate held.
  Outcome connect(const ServerContext& context, const Outcome* resume = nullptr, bool ignore_dates = false) {
    SslPtr ssl = context.new_session();
    if (ignore_dates) X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl.get()), X509_V_FLAG_NO_CHECK_TIME);
    HandshakePair pair(client_.new_session({}, resume ? resume->session.get() : nullptr), std::move(ssl));
    if (!pair.run()) return {false, false, {}, client_refusal_text(pair.server()), pair.server_error(), {}};
    EXPECT_EQ(pair.echo_to_server("x"), "x");
    return {true,
            SSL_session_reused(pair.server()) == 1,
            client_subject(pair.server()),
            {},
            {},
            pair.client_session()};
  }

  test::TemporaryFolder folder_;
  config::ListenerTls tls_;
  std::vector<std::string> warnings_;
  std::shared_ptr<const CertificateStore> store_;
  std::shared_ptr<const TrustStore> trust_;
  std::shared_ptr<TicketKeys> keys_ = std::make_shared<TicketKeys>();
  IssuedCertificate ca_ = test::issue_ca("clients CA");
  IssuedCertificate other_ca_ = test::issue_ca("other CA");
  TestClient client_;
};

TEST_P(ClientCertificatesTest, OffAsksForNothing) {
  show(issue("alice", &ca_));
  const Outcome outcome = connect(server(ClientAuthMode::off));
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.subject, "");
}

TEST_P(ClientCertificatesTest, RequestTakesClientsWithAndWithout) {
  const Outcome without = connect(server(ClientAuthMode::request));
  EXPECT_TRUE(without.done) << without.error;
  EXPECT_EQ(without.subject, "");
  show(issue("alice", &ca_));
  const Outcome with = connect(server(ClientAuthMode::request));
  EXPECT_TRUE(with.done) << with.error;
  EXPECT_EQ(with.subject, "CN=alice");
}

TEST_P(ClientCertificatesTest, RequestRefusesACertificateThatDoesNotVerify) {
  show(issue("mallory", &other_ca_));
  const Outcome outcome = connect(server(ClientAuthMode::request));
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.refusal, HasSubstr("unable to get local issuer certificate: CN=mallory"));
}

TEST_P(ClientCertificatesTest, RequireRefusesClientsWithout) {
  const Outcome outcome = connect(server(ClientAuthMode::require));
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.error, HasSubstr("peer did not return a certificate"));
}

TEST_P(ClientCertificatesTest, RequireTakesTheCasClients) {
  show(issue("alice", &ca_));
  EXPECT_EQ(connect(server(ClientAuthMode::require)).subject, "CN=alice");
}

TEST_P(ClientCertificatesTest, TakesAChainThatTheClientSends) {
  const IssuedCertificate intermediate = test::issue_ca("intermediate", &ca_);
  show(issue("alice", &intermediate), &intermediate);
  EXPECT_EQ(connect(server(ClientAuthMode::require)).subject, "CN=alice");
}

TEST_P(ClientCertificatesTest, RefusesWhatIsExpired) {
  show(issue("alice", &ca_, "clientAuth", -1));
  EXPECT_EQ(connect(server(ClientAuthMode::require)).refusal, "certificate has expired: CN=alice");
}

TEST_P(ClientCertificatesTest, RefusesAServersCertificate) {
  show(issue("server", &ca_, "serverAuth"));
  EXPECT_THAT(connect(server(ClientAuthMode::require)).refusal, HasSubstr("unsuitable certificate purpose"));
}

TEST_P(ClientCertificatesTest, ARefusedSubjectIsCut) {
  CertificateSpec spec;
  spec.common_name = "xxx";
  IssuedCertificate mallory = test::issue(spec, &other_ca_);
  X509_NAME* subject = X509_get_subject_name(mallory.certificate.get());
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_UTF8,
                                         reinterpret_cast<const unsigned char*>("unit"), -1, -1, 0),
              1);
  }
  ASSERT_GT(X509_sign(mallory.certificate.get(), other_ca_.key.get(), EVP_sha256()), 0);
  show(mallory);
  const std::string refusal = connect(server(ClientAuthMode::require)).refusal;
  EXPECT_THAT(refusal, HasSubstr(": CN=xxx"));
  EXPECT_THAT(refusal, ::testing::EndsWith("..."));
  EXPECT_LT(refusal.size(), 300u);
}

TEST_P(ClientCertificatesTest, NoNameCanPassForAnother) {
  show(issue("alice,O=Admins\r\nX-Admin: \xC3\xA9", &ca_));
  EXPECT_EQ(connect(server(ClientAuthMode::require)).subject, "CN=alice\\,O=Admins\\0D\\0AX-Admin: \\C3\\A9");
}

TEST_P(ClientCertificatesTest, AResumedSessionKeepsItsClient) {
  show(issue("alice", &ca_));
  const ServerContext first = server(ClientAuthMode::require);
  const Outcome full = connect(first);
  const Outcome resumed = connect(server(ClientAuthMode::require), &full);
  EXPECT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.subject, "CN=alice");
  const Outcome again = connect(first, &resumed);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.subject, "CN=alice");
}

TEST_P(ClientCertificatesTest, AResumedSessionWithoutACertificateHasNone) {
  const ServerContext context = server(ClientAuthMode::request);
  const Outcome full = connect(context);
  const Outcome resumed = connect(context, &full);
  EXPECT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.subject, "");
}

TEST_P(ClientCertificatesTest, NoTicketOfAnotherModeIsAccepted) {
  for (const ClientAuthMode mode : {ClientAuthMode::off, ClientAuthMode::request}) {
    const Outcome full = connect(server(mode));
    ASSERT_TRUE(full.done);
    const Outcome refused = connect(server(ClientAuthMode::require), &full);
    EXPECT_FALSE(refused.done);
    EXPECT_THAT(refused.error, HasSubstr("peer did not return a certificate"));
  }
}

TEST_P(ClientCertificatesTest, NoTicketOfAnotherCaIsAccepted) {
  show(issue("mallory", &other_ca_));
  const Outcome full = connect(server(ClientAuthMode::require, other_ca_));
  ASSERT_EQ(full.subject, "CN=mallory");
  EXPECT_FALSE(connect(server(ClientAuthMode::require), &full).done);
  EXPECT_FALSE(connect(server(ClientAuthMode::request), &full).done);
}

TEST_P(ClientCertificatesTest, AnExpiredCertificateDoesNotLiveOnInTickets) {
  show(issue("alice", &ca_, "clientAuth", -1));
  const ServerContext context = server(ClientAuthMode::require);
  const Outcome full = connect(context, nullptr, true);
  ASSERT_EQ(full.subject, "CN=alice");
  const Outcome later = connect(context, &full);
  EXPECT_FALSE(later.done);
  EXPECT_THAT(later.refusal, HasSubstr("certificate has expired"));
}

TEST_P(ClientCertificatesTest, AnExpiredIssuerEndsResumptionToo) {
  CertificateSpec spec;
  spec.common_name = "old CA";
  spec.ca = true;
  spec.valid_from_days = -3;
  spec.valid_to_days = -1;
  const IssuedCertificate old_ca = test::issue(spec);
  show(issue("alice", &old_ca));
  const ServerContext context = server(ClientAuthMode::require, old_ca);
  const Outcome full = connect(context, nullptr, true);
  ASSERT_EQ(full.subject, "CN=alice");
  EXPECT_FALSE(connect(context, &full).done);
}

TEST_P(ClientCertificatesTest, TellsWhoseCertificatesAreTaken) {
  const ServerContext context = server(ClientAuthMode::request);
  HandshakePair pair(client_.new_session(), context.new_session());
  ASSERT_TRUE(pair.run());
  const STACK_OF(X509_NAME)* names = SSL_get_client_CA_list(pair.client());
  ASSERT_EQ(sk_X509_NAME_num(names), 1);
  EXPECT_EQ(X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(ca_.certificate.get())), 0);
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientCertificatesTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_3_VERSION ? "Tls13" : "Tls12";
                         });

}  // namespace
}  // namespace sluice::tls
