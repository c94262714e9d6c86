#include "tests/support/test_certificates.h"

#include <openssl/bn.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <fstream>
#include <stdexcept>

#include "tls/openssl_error.h"

namespace sluice::test {
namespace {

using tls::BioPtr;
using tls::OpensslFree;
using tls::PrivateKeyPtr;
constexpr long kSecondsPerDay = 24 * 60 * 60;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + ": " + tls::take_openssl_error_text());
}

PrivateKeyPtr make_dsa_key() {
  using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;
  const ContextPtr parameter_context(EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
  EVP_PKEY* parameters = nullptr;
  require(EVP_PKEY_paramgen_init(parameter_context.get()) == 1 &&
              EVP_PKEY_CTX_set_dsa_paramgen_bits(parameter_context.get(), 1024) == 1 &&
              EVP_PKEY_paramgen(parameter_context.get(), &parameters) == 1,
          "DSA parameters");
  const PrivateKeyPtr owned_parameters(parameters);
  const ContextPtr key_context(EVP_PKEY_CTX_new_from_pkey(nullptr, parameters, nullptr));
  EVP_PKEY* key = nullptr;
  require(EVP_PKEY_keygen_init(key_context.get()) == 1 && EVP_PKEY_keygen(key_context.get(), &key) == 1,
          "DSA key");
  return PrivateKeyPtr(key);
}

PrivateKeyPtr make_key(KeyType type) {
  switch (type) {
    case KeyType::ecdsa_p256:
      return PrivateKeyPtr(EVP_EC_gen("P-256"));
    case KeyType::rsa_2048:
      return PrivateKeyPtr(EVP_RSA_gen(2048));
    case KeyType::rsa_1024:
      return PrivateKeyPtr(EVP_RSA_gen(1024));
    case KeyType::ecdsa_secp256k1:
      return PrivateKeyPtr(EVP_EC_gen("secp256k1"));
    case KeyType::dsa:
      return make_dsa_key();
  }
  return nullptr;
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, value.c_str());
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

void add_extensions(const CertificateSpec& spec, X509* certificate, X509* issuer) {
  add_extension(certificate, issuer, NID_basic_constraints,
                spec.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (spec.key_identifiers) add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (spec.key_identifiers && issuer != certificate)
    add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
  if (spec.ca) add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  if (!spec.extended_key_usage.empty()) {
    add_extension(certificate, issuer, NID_ext_key_usage, spec.extended_key_usage);
  }
  if (!spec.alternative_names.empty()) {
    add_extension(certificate, issuer, NID_subject_alt_name, join(spec.alternative_names));
  }
}

void set_random_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, OpensslFree<BN_free>> serial(BN_new());
  require(serial && BN_rand(serial.get(), 64, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr,
          "serial number");
}

template <typename Write>
std::string to_text(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(bio && write(bio.get()) == 1, "PEM");
  const char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

IssuedCertificate issue(const CertificateSpec& spec, const IssuedCertificate* issuer) {
  IssuedCertificate made{tls::CertificatePtr(X509_new()), make_key(spec.key_type)};
  require(made.certificate && made.key, "new certificate");
  X509* certificate = made.certificate.get();
  X509* signer = issuer ? issuer->certificate.get() : certificate;
  X509_set_version(certificate, X509_VERSION_3);
  set_random_serial(certificate);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.valid_from_days * kSecondsPerDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.valid_to_days * kSecondsPerDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, made.key.get());
  add_extensions(spec, certificate, signer);
  require(X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), spec.digest) > 0, "signature");
  return made;
}

IssuedCertificate issue_ca(const std::string& name, const IssuedCertificate* issuer) {
  CertificateSpec spec;
  spec.common_name = name;
  spec.ca = true;
  return issue(spec, issuer);
}

std::string IssuedCertificate::certificate_pem() const {
  return to_text([this](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
}

std::string IssuedCertificate::key_pem() const {
  return to_text([this](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string IssuedCertificate::encrypted_key_pem(const std::string& passphrase) const {
  return to_text([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), EVP_aes_128_cbc(), passphrase.data(),
                                         static_cast<int>(passphrase.size()), nullptr, nullptr);
  });
}

std::string IssuedCertificate::traditional_encrypted_key_pem(const std::string& passphrase) const {
  return to_text([&](BIO* bio) {
    return PEM_write_bio_PrivateKey_traditional(bio, key.get(), EVP_aes_128_cbc(),
                                                reinterpret_cast<const unsigned char*>(passphrase.data()),
                                                static_cast<int>(passphrase.size()), nullptr, nullptr);
  });
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
  folder_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name, std::ios::binary) << text;
  // A key that others may read is warned of.
  std::filesystem::permissions(folder_ / name, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path(name);
}

config::Certificate TemporaryFolder::write_pair(const std::string& name, const IssuedCertificate& issued,
                                                const std::string& chain_pem) const {
  return {write(name + ".pem", issued.certificate_pem() + chain_pem), write(name + ".key", issued.key_pem())};
}

}  // namespace sluice::test
