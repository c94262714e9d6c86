#include "tls/self_signed.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include <string>

#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

constexpr int kValidDays = 90;
constexpr int kSerialBits = 127;  // positive and within the 20 octets of RFC 5280, 4.1.2.2

void require(bool done) {
  if (!done) throw TlsLoadError("cannot make a self-signed certificate: " + take_openssl_error_text());
}

void set_random_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, OpensslFree<BN_free>> number(BN_new());
  require(number && BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
  require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void add_extension(X509* certificate, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, id, value));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void set_name(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto add = [name](const char* field, const char* value) {
    require(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(value), -1, -1, 0) == 1);
  };
  add("O", "Sluice self-signed");
  add("CN", "localhost");
  require(X509_set_issuer_name(certificate, name) == 1);
}

}  // namespace

LoadedCertificate make_self_signed() {
  LoadedCertificate made;
  made.source = "the self-signed certificate";
  made.names = {"localhost"};
  made.chain.reset(sk_X509_new_null());
  made.key.reset(EVP_EC_gen("P-256"));
  made.leaf.reset(X509_new());
  require(made.chain && made.key && made.leaf);
  X509* leaf = made.leaf.get();
  require(X509_set_version(leaf, X509_VERSION_3) == 1);
  set_random_serial(leaf);
  require(X509_gmtime_adj(X509_getm_notBefore(leaf), 0) != nullptr);
  require(X509_time_adj_ex(X509_getm_notAfter(leaf), kValidDays, 0, nullptr) != nullptr);
  set_name(leaf);
  require(X509_set_pubkey(leaf, made.key.get()) == 1);
  add_extension(leaf, NID_subject_key_identifier, "hash");
  add_extension(leaf, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(leaf, NID_key_usage, "critical,digitalSignature");
  add_extension(leaf, NID_ext_key_usage, "serverAuth");
  add_extension(leaf, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
  require(X509_sign(leaf, made.key.get(), EVP_sha256()) > 0);
  return made;
}

}  // namespace sluice::tls
