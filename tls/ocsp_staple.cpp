#include "tls/ocsp_staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tls/load_error.h"

namespace sluice::tls {
namespace {

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, OpensslFree<OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, OpensslFree<OCSP_BASICRESP_free>>;
using IdPtr = std::unique_ptr<OCSP_CERTID, OpensslFree<OCSP_CERTID_free>>;

constexpr std::size_t kMaxSize = 64 * 1024;  // a response with its signer's certificate has some 2 KB
constexpr long kClockSkew = 300;             // seconds that the responder's clock may be ahead

std::string read_der(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TlsLoadError(path + " cannot be read (" + std::strerror(errno) + "); expected an OCSP response that the gateway's user may read");
  std::string der(kMaxSize + 1, '\0');
  file.read(der.data(), static_cast<std::streamsize>(der.size()));
  der.resize(static_cast<std::size_t>(file.gcount()));
  if (der.size() > kMaxSize) throw TlsLoadError(path + " is larger than 64 KiB; expected an OCSP response");
  return der;
}

BasicPtr parse(const std::string& path, const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (!response || at != reinterpret_cast<const unsigned char*>(der.data()) + der.size()) {
    throw TlsLoadError(path + " is not an OCSP response; expected DER, as `openssl ocsp -respout` writes it");
  }
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    throw TlsLoadError(path + " holds a responder's refusal (" + OCSP_response_status_str(status) + "); fetch it again");
  }
  BasicPtr basic(OCSP_response_get1_basic(response.get()));
  if (!basic) throw TlsLoadError(path + " holds an OCSP response of an unknown kind; expected a basic one");
  return basic;
}

// Whether a response's id is this certificate's. The hash is the responder's choice.
bool is_for(const OCSP_CERTID* id, X509* leaf, X509* issuer) {
  ASN1_OBJECT* hash = nullptr;
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(nullptr, &hash, nullptr, &serial, const_cast<OCSP_CERTID*>(id));
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0) return false;
  if (issuer == nullptr) return true;
  const EVP_MD* digest = EVP_get_digestbyobj(hash);
  const IdPtr own(digest != nullptr ? OCSP_cert_to_id(digest, leaf, issuer) : nullptr);
  return own && OCSP_id_cmp(own.get(), id) == 0;
}

OCSP_SINGLERESP* find(OCSP_BASICRESP* basic, X509* leaf, X509* issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic, i);
    if (is_for(OCSP_SINGLERESP_get0_id(single), leaf, issuer)) return single;
  }
  return nullptr;
}

// By the issuer, or by whom it has appointed for that. The issuer is trusted as it stands: whether clients trust it is theirs to say.
bool is_signed(OCSP_BASICRESP* basic, STACK_OF(X509) * chain) {
  const TrustStorePtr store(X509_STORE_new());
  return store && X509_STORE_add_cert(store.get(), sk_X509_value(chain, 0)) == 1 &&
         X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
         OCSP_basic_verify(basic, chain, store.get(), 0) == 1;
}

std::time_t time_of(const ASN1_GENERALIZEDTIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

struct ErrorsCleared {
  ~ErrorsCleared() { ERR_clear_error(); }
};

// Throws TlsLoadError for one that is not to be stapled.
OcspStaple read_checked(const std::string& path, X509* leaf, STACK_OF(X509) * chain, std::vector<std::string>& warnings) {
  OcspStaple staple{read_der(path), 0};
  const BasicPtr basic = parse(path, staple.der);
  X509* issuer = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : nullptr;
  OCSP_SINGLERESP* single = find(basic.get(), leaf, issuer);
  if (single == nullptr) {
    throw TlsLoadError(path + " does not speak of the certificate beside it; fetch the response for that one");
  }
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  if (OCSP_check_validity(from, until, kClockSkew, -1) != 1) {
    throw TlsLoadError(path + " is out of its dates; fetch a new one");
  }
  if (issuer != nullptr && !is_signed(basic.get(), chain)) {
    throw TlsLoadError(path + " is not signed by the certificate's issuer; clients would refuse it");
  }
  if (status != V_OCSP_CERTSTATUS_GOOD) {
    throw TlsLoadError(path + " says that the certificate is " + OCSP_cert_status_str(status) +
                       "; clients that ask the responder will refuse the certificate");
  }
  if (issuer == nullptr && X509_check_issued(leaf, leaf) != X509_V_OK) {
    warnings.push_back("the signature of " + path + " is not checked: the certificate's file does not hold its issuer's after it");
  }
  staple.valid_until = time_of(until);
  return staple;
}

}  // namespace

std::optional<OcspStaple> read_ocsp_staple(const std::string& path, X509* leaf, STACK_OF(X509) * chain,
                                           std::vector<std::string>& warnings) {
  const ErrorsCleared at_end;
  try {
    return read_checked(path, leaf, chain, warnings);
  } catch (const TlsLoadError& error) {
    warnings.push_back(std::string(error.what()) + "; the certificate is served without a staple");
    return std::nullopt;
  }
}

bool must_staple(const X509* certificate) { return X509_get_ext_by_NID(certificate, NID_tlsfeature, -1) >= 0; }

}  // namespace sluice::tls
