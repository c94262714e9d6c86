#include "tls/self_signed.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <array>

namespace sluice::tls {
namespace {

TEST(SelfSigned, IsForLocalhostOnEcdsaP256) {
  const LoadedCertificate made = make_self_signed();
  X509* leaf = made.leaf.get();
  EXPECT_EQ(X509_check_host(leaf, "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf, "::1", 0), 1);
  EXPECT_NE(X509_check_host(leaf, "example.com", 0, 0, nullptr), 1);
  std::array<char, 32> curve{};
  ASSERT_EQ(EVP_PKEY_get_group_name(made.key.get(), curve.data(), curve.size(), nullptr), 1);
  EXPECT_STREQ(curve.data(), "prime256v1");
  EXPECT_EQ(X509_check_private_key(leaf, made.key.get()), 1);
  EXPECT_EQ(X509_verify(leaf, made.key.get()), 1);
  EXPECT_EQ(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0), 1);
}

TEST(SelfSigned, IsValidNowAndForNinetyDays) {
  const LoadedCertificate made = make_self_signed();
  EXPECT_EQ(validity_problem(made.leaf.get()), "");
  int days = 0;
  int seconds = 0;
  ASSERT_EQ(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(made.leaf.get()),
                           X509_get0_notAfter(made.leaf.get())),
            1);
  EXPECT_NEAR(days * 86400 + seconds, 90 * 86400, 2);
}

TEST(SelfSigned, HasARandomSerialAndKey) {
  const LoadedCertificate first = make_self_signed();
  const LoadedCertificate second = make_self_signed();
  EXPECT_NE(
      ASN1_INTEGER_cmp(X509_get0_serialNumber(first.leaf.get()), X509_get0_serialNumber(second.leaf.get())),
      0);
  EXPECT_NE(EVP_PKEY_eq(first.key.get(), second.key.get()), 1);
}

}  // namespace
}  // namespace sluice::tls
