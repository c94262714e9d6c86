#include "tls/certificate_store.h"

#include <gmock/gmock.h>

#include "tests/support/test_certificates.h"

namespace sluice::tls {
namespace {

using test::CertificateSpec;
using test::KeyType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointee;

class CertificateStoreTest : public ::testing::Test {
 protected:
  void add(const std::vector<std::string>& names, KeyType key_type = KeyType::ecdsa_p256) {
    CertificateSpec spec;
    spec.alternative_names = names;
    spec.key_type = key_type;
    tls_.certificates.push_back(
        folder_.write_pair("c" + std::to_string(tls_.certificates.size()), test::issue(spec)));
  }
  void load() { store_ = CertificateStore::load(tls_, warnings_); }

  test::TemporaryFolder folder_;
  config::ListenerTls tls_;
  std::vector<std::string> warnings_;
  std::shared_ptr<const CertificateStore> store_;
};

TEST_F(CertificateStoreTest, PrefersExactNamesToWildcards) {
  add({"DNS:*.example.com"});
  add({"DNS:a.example.com"});
  load();
  EXPECT_THAT(store_->find("a.example.com"), Pointee(ElementsAre(1)));
  EXPECT_THAT(store_->find("b.example.com"), Pointee(ElementsAre(0)));
}

TEST_F(CertificateStoreTest, AWildcardCoversExactlyOneLabel) {
  add({"DNS:*.example.com"});
  load();
  EXPECT_NE(store_->find("a.example.com"), nullptr);
  EXPECT_EQ(store_->find("example.com"), nullptr);
  EXPECT_EQ(store_->find("b.a.example.com"), nullptr);
  EXPECT_EQ(store_->find(".example.com"), nullptr);
  EXPECT_EQ(store_->find("aexample.com"), nullptr);
}

TEST_F(CertificateStoreTest, IgnoresCaseAndATrailingDot) {
  add({"DNS:Host.Example"});
  load();
  EXPECT_NE(store_->find("hOST.example"), nullptr);
  EXPECT_NE(store_->find("host.example."), nullptr);
  EXPECT_EQ(store_->find("host.example.."), nullptr);
}

TEST_F(CertificateStoreTest, ACertificateCoversWhatItNames) {
  add({"DNS:*.example.com", "DNS:Other.example"});
  add({"DNS:a.example.com"});
  load();
  const LoadedCertificate& wide = store_->certificates()[0];
  for (const char* name : {"a.example.com", "B.example.com.", "other.EXAMPLE"}) EXPECT_TRUE(covers(wide, name)) << name;
  for (const char* name : {"example.com", "c.b.example.com", ".example.com", "example", "", "."}) EXPECT_FALSE(covers(wide, name)) << name;
  EXPECT_FALSE(covers(store_->certificates()[1], "b.example.com"));
}

TEST_F(CertificateStoreTest, FindsNothingForStrangeNames) {
  add({"DNS:host.example"});
  load();
  EXPECT_EQ(store_->find(""), nullptr);
  EXPECT_EQ(store_->find("."), nullptr);
  EXPECT_EQ(store_->find("*.example"), nullptr);
  EXPECT_EQ(store_->find(std::string(300, 'a') + ".example"), nullptr);
}

TEST_F(CertificateStoreTest, PutsKeyTypesSideBySideAndTheFirstIsDefault) {
  add({"DNS:a.example"}, KeyType::rsa_2048);
  add({"DNS:b.example"});
  add({"DNS:a.example", "DNS:c.example"});
  load();
  EXPECT_THAT(store_->find("a.example"), Pointee(ElementsAre(0, 2)));
  EXPECT_THAT(store_->find("b.example"), Pointee(ElementsAre(1)));
  EXPECT_THAT(store_->find("c.example"), Pointee(ElementsAre(2)));
  EXPECT_THAT(store_->default_selection(), ElementsAre(0, 2));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(CertificateStoreTest, DefaultsToTheFirstWhateverItsNames) {
  add({"IP:127.0.0.1"});
  add({"DNS:a.example"});
  load();
  EXPECT_THAT(store_->default_selection(), ElementsAre(0));

  tls_.certificates.clear();
  add({"DNS:*.wild.example"});
  add({"DNS:a.example"});
  load();
  EXPECT_THAT(store_->default_selection(), ElementsAre(0));
}

TEST_F(CertificateStoreTest, WarnsOfACertificateThatIsNeverChosen) {
  add({"DNS:a.example", "DNS:b.example"});
  add({"DNS:b.example"});
  load();
  EXPECT_THAT(store_->find("b.example"), Pointee(ElementsAre(0)));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("c1.pem is never chosen")));
}

TEST_F(CertificateStoreTest, AddsTheSelfSignedCertificateAfterTheOthers) {
  add({"DNS:a.example"});
  tls_.self_signed = true;
  load();
  EXPECT_THAT(store_->find("localhost"), Pointee(ElementsAre(1)));
  EXPECT_THAT(store_->default_selection(), ElementsAre(0));
}

TEST_F(CertificateStoreTest, NeedsACertificate) { EXPECT_THROW(load(), TlsLoadError); }

}  // namespace
}  // namespace sluice::tls
