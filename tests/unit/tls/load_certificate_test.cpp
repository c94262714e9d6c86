#include "tls/load_certificate.h"

#include <gmock/gmock.h>
#include <openssl/err.h>

#include "tests/support/test_certificates.h"

namespace sluice::tls {
namespace {

using test::CertificateSpec;
using test::issue;
using test::issue_ca;
using test::IssuedCertificate;
using test::KeyType;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CertificateSpec server_spec(const std::string& name = "a.example") {
  CertificateSpec spec;
  spec.common_name = name;
  spec.alternative_names = {"DNS:" + name};
  return spec;
}

class LoadCertificate : public ::testing::Test {
 protected:
  // The message of the error; empty when it loads.
  std::string error_of(const config::Certificate& files) {
    try {
      load_certificate(files, warnings_);
    } catch (const TlsLoadError& error) {
      EXPECT_EQ(ERR_peek_error(), 0u) << "a failed load leaves entries for the next caller";
      return error.what();
    }
    return {};
  }

  test::TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(LoadCertificate, TakesLeafChainKeyAndNames) {
  const IssuedCertificate root = issue_ca("root");
  const IssuedCertificate intermediate = issue_ca("intermediate", &root);
  CertificateSpec spec = server_spec();
  spec.alternative_names = {"DNS:A.example", "DNS:*.B.example", "IP:127.0.0.1", "DNS:a.example"};
  const IssuedCertificate leaf = issue(spec, &intermediate);
  const auto files = folder_.write_pair("a", leaf, intermediate.certificate_pem() + root.certificate_pem());

  const LoadedCertificate loaded = load_certificate(files, warnings_);

  EXPECT_EQ(X509_cmp(loaded.leaf.get(), leaf.certificate.get()), 0);
  ASSERT_EQ(sk_X509_num(loaded.chain.get()), 2);
  EXPECT_EQ(X509_cmp(sk_X509_value(loaded.chain.get(), 0), intermediate.certificate.get()), 0);
  EXPECT_EQ(EVP_PKEY_eq(loaded.key.get(), leaf.key.get()), 1);
  EXPECT_THAT(loaded.names, ElementsAre("a.example", "*.b.example"));
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(LoadCertificate, TakesCertificateAndKeyFromOneFile) {
  const IssuedCertificate leaf = issue(server_spec());
  const std::string both = folder_.write("both.pem", leaf.key_pem() + leaf.certificate_pem());
  EXPECT_EQ(error_of({both, both}), "");
}

TEST_F(LoadCertificate, SkipsTheParametersInFrontOfAnEcKey) {
  const IssuedCertificate leaf = issue(server_spec());
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  EXPECT_EQ(error_of({folder_.write("a.pem", leaf.certificate_pem()),
                      folder_.write("a.key", parameters + leaf.key_pem())}),
            "");
}

TEST_F(LoadCertificate, UsesTheCommonNameOnlyWithoutSubjectAltName) {
  CertificateSpec bare;
  bare.common_name = "Old.example";
  EXPECT_THAT(load_certificate(folder_.write_pair("bare", issue(bare)), warnings_).names,
              ElementsAre("old.example"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("no subjectAltName")));

  CertificateSpec address_only;
  address_only.common_name = "old.example";
  address_only.alternative_names = {"IP:10.0.0.1"};
  EXPECT_THAT(load_certificate(folder_.write_pair("ip", issue(address_only)), warnings_).names, IsEmpty());
}

TEST_F(LoadCertificate, IgnoresPartialAndNestedWildcardsWithAWarning) {
  CertificateSpec spec = server_spec();
  spec.alternative_names = {"DNS:f*.example", "DNS:*.*.example", "DNS:a.*.example", "DNS:*",
                            "DNS:ok.example"};
  EXPECT_THAT(load_certificate(folder_.write_pair("w", issue(spec)), warnings_).names,
              ElementsAre("ok.example"));
  EXPECT_EQ(warnings_.size(), 4u);
}

TEST_F(LoadCertificate, SaysWhichFileCannotBeRead) {
  const config::Certificate good = folder_.write_pair("good", issue(server_spec()));
  EXPECT_THAT(error_of({folder_.path("none.pem"), good.private_key}),
              HasSubstr("cannot read " + folder_.path("none.pem") + ": No such file or directory"));
  EXPECT_THAT(error_of({good.certificate, folder_.path("none.key")}),
              HasSubstr("cannot read " + folder_.path("none.key") + ": No such file or directory"));
  EXPECT_THAT(error_of({folder_.path(""), good.private_key}), HasSubstr("Is a directory"));
}

TEST_F(LoadCertificate, RefusesWhatIsNotPem) {
  const IssuedCertificate leaf = issue(server_spec());
  const config::Certificate good = folder_.write_pair("good", leaf);
  const std::string text = folder_.write("text.pem", "not a certificate\n");
  EXPECT_THAT(error_of({text, good.private_key}), HasSubstr("holds no certificate"));
  EXPECT_THAT(error_of({good.certificate, text}), HasSubstr("holds no private key"));
  EXPECT_THAT(error_of({good.certificate, good.certificate}), HasSubstr("holds no private key"));

  std::string damaged = leaf.certificate_pem();
  damaged[damaged.size() / 2] = '!';
  EXPECT_THAT(error_of({folder_.write("bad.pem", damaged), good.private_key}),
              HasSubstr("certificate 1 in " + folder_.path("bad.pem") + " cannot be parsed"));
  EXPECT_THAT(error_of({folder_.write("bad2.pem", leaf.certificate_pem() + damaged), good.private_key}),
              HasSubstr("certificate 2 in"));
  std::string damaged_key = leaf.key_pem();
  damaged_key[damaged_key.size() / 2] = '!';
  EXPECT_THAT(error_of({good.certificate, folder_.write("bad.key", damaged_key)}),
              HasSubstr("cannot be parsed"));
}

TEST_F(LoadCertificate, RefusesAnEncryptedKeyWithoutPrompting) {
  const IssuedCertificate leaf = issue(server_spec());
  const std::string certificate = folder_.write("a.pem", leaf.certificate_pem());
  EXPECT_THAT(error_of({certificate, folder_.write("p8.key", leaf.encrypted_key_pem("secret"))}),
              HasSubstr("is encrypted"));
  EXPECT_THAT(error_of({certificate, folder_.write("old.key", leaf.traditional_encrypted_key_pem("secret"))}),
              HasSubstr("is encrypted"));
}

TEST_F(LoadCertificate, RefusesAKeyOfAnotherCertificate) {
  const IssuedCertificate leaf = issue(server_spec());
  const std::string certificate = folder_.write("a.pem", leaf.certificate_pem());
  const std::string other = folder_.write("b.key", issue(server_spec()).key_pem());
  EXPECT_THAT(error_of({certificate, other}), HasSubstr("does not belong to the certificate"));
}

TEST_F(LoadCertificate, RefusesAChainInTheWrongOrder) {
  const IssuedCertificate root = issue_ca("root");
  const IssuedCertificate intermediate = issue_ca("intermediate", &root);
  const IssuedCertificate leaf = issue(server_spec(), &intermediate);
  const std::string key = folder_.write("leaf.key", leaf.key_pem());
  const std::string leaf_last = intermediate.certificate_pem() + leaf.certificate_pem();
  EXPECT_THAT(error_of({folder_.write("1.pem", leaf_last), key}), HasSubstr("put that certificate first"));
  const std::string root_early =
      leaf.certificate_pem() + root.certificate_pem() + intermediate.certificate_pem();
  EXPECT_THAT(error_of({folder_.write("2.pem", root_early), key}),
              HasSubstr("certificate 2 (CN=root) did not sign any certificate before it"));
}

TEST_F(LoadCertificate, RefusesAChainThatDoesNotBelongToTheLeaf) {
  const IssuedCertificate ca = issue_ca("ca");
  const IssuedCertificate namesake = issue_ca("ca");  // the same name, another key
  const IssuedCertificate leaf = issue(server_spec(), &ca);
  EXPECT_THAT(error_of(folder_.write_pair("a", leaf, namesake.certificate_pem())),
              HasSubstr("did not sign any certificate before it"));
  CertificateSpec unmarked = server_spec();
  unmarked.key_identifiers = false;  // only the signature tells the two CAs apart
  const IssuedCertificate unmarked_leaf = issue(unmarked, &ca);
  EXPECT_EQ(error_of(folder_.write_pair("b", unmarked_leaf, ca.certificate_pem())), "");
  EXPECT_THAT(error_of(folder_.write_pair("c", unmarked_leaf, namesake.certificate_pem())),
              HasSubstr("did not sign any certificate before it"));
}

TEST_F(LoadCertificate, RefusesAnIssuerThatIsNoCa) {
  const IssuedCertificate impostor = issue(server_spec("impostor"));
  const IssuedCertificate leaf = issue(server_spec(), &impostor);
  EXPECT_THAT(error_of(folder_.write_pair("a", leaf, impostor.certificate_pem())), HasSubstr("is not a CA"));
}

TEST_F(LoadCertificate, RefusesWeakAndUnusableKeys) {
  CertificateSpec spec = server_spec();
  spec.key_type = KeyType::rsa_1024;
  EXPECT_THAT(error_of(folder_.write_pair("rsa", issue(spec))),
              HasSubstr("has a key of 1024 bits, which is too weak; use RSA of at least 2048 bits"));
  spec.key_type = KeyType::ecdsa_secp256k1;
  EXPECT_THAT(error_of(folder_.write_pair("k1", issue(spec))), HasSubstr("secp256k1 is not used in TLS"));
  spec.key_type = KeyType::dsa;
  EXPECT_THAT(error_of(folder_.write_pair("dsa", issue(spec))), HasSubstr("cannot serve TLS"));
}

TEST_F(LoadCertificate, RefusesAWeakSignature) {
  const IssuedCertificate ca = issue_ca("ca");
  CertificateSpec spec = server_spec();
  spec.digest = EVP_sha1();
  EXPECT_THAT(error_of(folder_.write_pair("a", issue(spec, &ca))), HasSubstr("is signed with SHA1"));
}

TEST_F(LoadCertificate, WarnsOfDatesAndUsage) {
  CertificateSpec expired = server_spec();
  expired.valid_from_days = -10;
  expired.valid_to_days = -2;
  EXPECT_EQ(error_of(folder_.write_pair("expired", issue(expired))), "");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("(CN=a.example) is expired on 20")));

  warnings_.clear();
  CertificateSpec future = server_spec();
  future.valid_from_days = 2;
  EXPECT_EQ(error_of(folder_.write_pair("future", issue(future))), "");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is not valid before 20")));

  warnings_.clear();
  CertificateSpec client_only = server_spec();
  client_only.extended_key_usage = "clientAuth";
  EXPECT_EQ(error_of(folder_.write_pair("client", issue(client_only))), "");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("not meant for TLS servers")));
}

TEST_F(LoadCertificate, LeavesNoErrorsOfWhatItOnlyWarnsOf) {
  CertificateSpec spec = server_spec();
  spec.key_identifiers = false;
  const IssuedCertificate odd = issue(spec);
  const std::unique_ptr<ASN1_OCTET_STRING, tls::OpensslFree<ASN1_OCTET_STRING_free>> garbage(ASN1_OCTET_STRING_new());
  ASSERT_EQ(ASN1_OCTET_STRING_set(garbage.get(), reinterpret_cast<const unsigned char*>("no DER"), 6), 1);
  const std::unique_ptr<X509_EXTENSION, tls::OpensslFree<X509_EXTENSION_free>> extension(
      X509_EXTENSION_create_by_NID(nullptr, NID_subject_key_identifier, 0, garbage.get()));
  ASSERT_EQ(X509_add_ext(odd.certificate.get(), extension.get(), -1), 1);
  ASSERT_GT(X509_sign(odd.certificate.get(), odd.key.get(), EVP_sha256()), 0);
  EXPECT_EQ(error_of(folder_.write_pair("odd", odd)), "");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("not meant for TLS servers")));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(LoadCertificate, OneForBackendsIsJudgedAsAClients) {
  CertificateSpec spec;
  spec.extended_key_usage = "clientAuth";
  const LoadedCertificate good = load_certificate(folder_.write_pair("good", issue(spec)), warnings_, CertificateUse::client);
  EXPECT_THAT(good.names, IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
  spec.extended_key_usage = "serverAuth";
  spec.valid_from_days = -3;
  spec.valid_to_days = -1;
  load_certificate(folder_.write_pair("bad", issue(spec)), warnings_, CertificateUse::client);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("expired on"), HasSubstr("; backends will refuse it")),
                                     HasSubstr("not meant for TLS clients (key usage); backends will refuse it")));
}

TEST_F(LoadCertificate, WarnsOfAPrivateKeyThatOthersMayRead) {
  const config::Certificate files = folder_.write_pair("open", issue(server_spec()));
  std::filesystem::permissions(files.private_key, std::filesystem::perms(0640));
  load_certificate(files, warnings_);
  EXPECT_THAT(warnings_, IsEmpty());
  std::filesystem::permissions(files.private_key, std::filesystem::perms(0644));
  load_certificate(files, warnings_);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("open.key is open to every user of this machine")));
}

}  // namespace
}  // namespace sluice::tls
