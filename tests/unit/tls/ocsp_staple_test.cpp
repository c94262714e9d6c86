#include "tls/ocsp_staple.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "tests/support/test_certificates.h"
#include "tls/load_certificate.h"

namespace sluice::tls {
namespace {

using test::CertificateSpec;
using test::issue;
using test::issue_ca;
using test::IssuedCertificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr long kDay = 24 * 3600;

struct Answer {
  int status = V_OCSP_CERTSTATUS_GOOD;
  long from = -kDay, until = kDay;  // seconds from now; until 0: not said
};

CertificateSpec server_spec(const std::string& name) {
  CertificateSpec spec;
  spec.common_name = name;
  spec.alternative_names = {"DNS:" + name};
  return spec;
}

std::string respond(X509* leaf, const IssuedCertificate& issuer, const IssuedCertificate& signer, const Answer& answer) {
  OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
  OCSP_CERTID* id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer.certificate.get());
  ASN1_TIME* from = X509_gmtime_adj(nullptr, answer.from);
  ASN1_TIME* until = answer.until != 0 ? X509_gmtime_adj(nullptr, answer.until) : nullptr;
  ASN1_TIME* revoked = answer.status == V_OCSP_CERTSTATUS_REVOKED ? X509_gmtime_adj(nullptr, -kDay) : nullptr;
  OCSP_basic_add1_status(basic, id, answer.status, 0, revoked, from, until);
  EXPECT_EQ(OCSP_basic_sign(basic, signer.certificate.get(), signer.key.get(), EVP_sha256(), nullptr, 0), 1);
  OCSP_RESPONSE* response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &bytes);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  for (ASN1_TIME* time : {from, until, revoked}) ASN1_TIME_free(time);
  OCSP_CERTID_free(id);
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return der;
}

class OcspStapleTest : public ::testing::Test {
 protected:
  OcspStapleTest() { sk_X509_push(chain_.get(), ca_.certificate.get()); }
  ~OcspStapleTest() override { sk_X509_zero(chain_.get()); }

  std::optional<OcspStaple> read(const std::string& der) {
    return read_ocsp_staple(folder_.write("staple.der", der), leaf_.certificate.get(), chain_.get(), warnings_);
  }
  std::optional<OcspStaple> read(const Answer& answer) { return read(respond(leaf_.certificate.get(), ca_, ca_, answer)); }
  // The warning about one that is not stapled.
  std::string refusal_of(const std::string& der) {
    warnings_.clear();
    EXPECT_FALSE(read(der));
    EXPECT_EQ(ERR_peek_error(), 0u);
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is served without a staple")));
    return warnings_.empty() ? "none" : warnings_.front();
  }

  test::TemporaryFolder folder_;
  std::vector<std::string> warnings_;
  IssuedCertificate ca_ = issue_ca("ca");
  IssuedCertificate leaf_ = issue(server_spec("a.example"), &ca_);
  std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> chain_{sk_X509_new_null(), [](STACK_OF(X509)* s) { sk_X509_free(s); }};
};

TEST_F(OcspStapleTest, TakesAGoodOne) {
  const std::optional<OcspStaple> staple = read(Answer{});
  ASSERT_TRUE(staple);
  EXPECT_FALSE(staple->der.empty());
  EXPECT_NEAR(static_cast<double>(staple->valid_until), static_cast<double>(std::time(nullptr) + kDay), 60);
  EXPECT_THAT(warnings_, IsEmpty());
  Answer without_end;
  without_end.until = 0;
  ASSERT_TRUE(read(without_end));
  EXPECT_EQ(read(without_end)->valid_until, 0);
}

TEST_F(OcspStapleTest, OneThatIsOutOfItsDatesIsNotStapled) {
  EXPECT_FALSE(read(Answer{V_OCSP_CERTSTATUS_GOOD, -2 * kDay, -kDay}));
  EXPECT_FALSE(read(Answer{V_OCSP_CERTSTATUS_GOOD, kDay, 2 * kDay}));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("out of its dates"), HasSubstr("out of its dates")));
}

TEST_F(OcspStapleTest, OneThatDoesNotSayGoodIsNotStapled) {
  EXPECT_FALSE(read(Answer{V_OCSP_CERTSTATUS_REVOKED}));
  EXPECT_FALSE(read(Answer{V_OCSP_CERTSTATUS_UNKNOWN}));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is revoked"), HasSubstr("is unknown")));
}

TEST_F(OcspStapleTest, OneOfAnotherCertificateIsNotStapled) {
  const IssuedCertificate other = issue(server_spec("b.example"), &ca_);
  EXPECT_THAT(refusal_of(respond(other.certificate.get(), ca_, ca_, {})), HasSubstr("does not speak of the certificate"));
  const IssuedCertificate other_ca = issue_ca("other");
  EXPECT_THAT(refusal_of(respond(leaf_.certificate.get(), other_ca, other_ca, {})), HasSubstr("does not speak of the certificate"));
}

TEST_F(OcspStapleTest, OneThatTheIssuerDidNotSignIsNotStapled) {
  const IssuedCertificate other_ca = issue_ca("other");
  EXPECT_THAT(refusal_of(respond(leaf_.certificate.get(), ca_, other_ca, {})), HasSubstr("is not signed by"));
  EXPECT_THAT(refusal_of(respond(leaf_.certificate.get(), ca_, leaf_, {})), HasSubstr("is not signed by"));
  // By somebody whom the issuer has appointed.
  CertificateSpec spec;
  spec.extended_key_usage = "OCSPSigning";
  const IssuedCertificate responder = issue(spec, &ca_);
  EXPECT_TRUE(read(respond(leaf_.certificate.get(), ca_, responder, {})));
}

TEST_F(OcspStapleTest, WithoutTheIssuerTheSerialNumberCounts) {
  sk_X509_zero(chain_.get());
  EXPECT_TRUE(read(Answer{}));
  const IssuedCertificate other = issue(server_spec("b.example"), &ca_);
  EXPECT_THAT(refusal_of(respond(other.certificate.get(), ca_, ca_, {})), HasSubstr("does not speak of the certificate"));
}

TEST_F(OcspStapleTest, WhatIsNoResponseIsNotStapled) {
  const std::string good = respond(leaf_.certificate.get(), ca_, ca_, {});
  for (const std::string& der : {std::string(), std::string("nonsense"), good.substr(1), good + "x", good.substr(0, good.size() - 1)}) {
    EXPECT_THAT(refusal_of(der), HasSubstr("is not an OCSP response"));
  }
  EXPECT_THAT(refusal_of(std::string("\x30\x03\x0A\x01\x03", 5)), HasSubstr("a responder's refusal (trylater)"));
  EXPECT_THAT(refusal_of(std::string(64 * 1024 + 1, 'x')), HasSubstr("larger than 64 KiB"));
}

TEST_F(OcspStapleTest, OneThatCannotBeReadIsNotStapled) {
  EXPECT_FALSE(read_ocsp_staple(folder_.path("nowhere.der"), leaf_.certificate.get(), chain_.get(), warnings_));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("cannot be read (No such file or directory)")));
}

}  // namespace
}  // namespace sluice::tls
