#include "tls/load_certificate.h"

#include <openssl/asn1.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "tls/openssl_error.h"
#include "tls/pem_file.h"

namespace sluice::tls {
namespace {

// OpenSSL's security level 2, which the contexts demand: RSA 2048, EC 224, SHA-2 signatures.
constexpr int kMinSecurityBits = 112;

std::string date_text(const ASN1_TIME* time) {
  std::tm parts{};
  char text[32];
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

// ASN1 text as lower-case UTF-8; empty when it cannot be a DNS name.
std::string dns_name_text(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return {};
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
  OPENSSL_free(utf8);
  // A NUL inside the name has been used to make readers of C strings see another name.
  const auto unfit = [](unsigned char c) { return c <= ' ' || c >= 0x7f; };
  if (std::any_of(name.begin(), name.end(), unfit)) return {};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (!name.empty() && name.back() == '.') name.pop_back();
  return name;
}

// RFC 6125, 6.4.3: the wildcard is the whole left-most label and stands for exactly one.
bool is_servable(const std::string& name) {
  const std::size_t star = name.find('*');
  if (star == std::string::npos) return !name.empty();
  return star == 0 && name.size() > 2 && name[1] == '.' && name[2] != '.' &&
         name.find('*', 1) == std::string::npos;
}

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  return dns_name_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

void check_key_kind(const std::string& path, const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return;
    case EVP_PKEY_EC: {
      char curve[64] = "unnamed";
      EVP_PKEY_get_group_name(key, curve, sizeof curve, nullptr);
      const std::string name = curve;
      if (name == "prime256v1" || name == "secp384r1" || name == "secp521r1") return;
      throw TlsLoadError(path + ": the elliptic curve " + name +
                         " is not used in TLS; use P-256, P-384 or P-521");
    }
    default:
      throw TlsLoadError(path + ": a key of this type cannot serve TLS; use ECDSA (P-256), RSA or Ed25519");
  }
}

std::string place(const std::string& path, int index, const X509* certificate) {
  return path + ": certificate " + std::to_string(index + 1) + " (" + subject_text(certificate) + ")";
}

void check_strength(const std::string& path, int index, X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (!key) throw TlsLoadError(place(path, index, certificate) + " has a public key that cannot be read");
  if (EVP_PKEY_get_security_bits(key) < kMinSecurityBits) {
    const bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    throw TlsLoadError(place(path, index, certificate) + " has a key of " +
                       std::to_string(EVP_PKEY_get_bits(key)) + " bits, which is too weak; use " +
                       (rsa ? "RSA of at least 2048 bits, or ECDSA P-256" : "at least ECDSA P-256"));
  }
  // Nobody relies on the signature of a self-signed certificate: it is trusted as such or not at all.
  if (X509_get_extension_flags(certificate) & EXFLAG_SS) return;
  int digest = NID_undef;
  int security_bits = 0;
  if (X509_get_signature_info(certificate, &digest, nullptr, &security_bits, nullptr) == 1 &&
      security_bits < kMinSecurityBits) {
    throw TlsLoadError(place(path, index, certificate) + " is signed with " + OBJ_nid2sn(digest) +
                       ", which is not accepted any more; use one signed with SHA-256");
  }
}

bool certifies(X509* issuer, X509* subject) {
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  const bool linked =
      X509_check_issued(issuer, subject) == X509_V_OK && key && X509_verify(subject, key) == 1;
  ERR_clear_error();
  return linked;
}

// Each certificate must certify one before it. RFC 8446, 4.4.2 asks for the directly preceding one, and for
// readers to be lenient about the extra certificates that some CAs put into their bundles.
void check_chain(const std::string& path, STACK_OF(X509) * certificates) {
  for (int i = 1; i < sk_X509_num(certificates); ++i) {
    X509* issuer = sk_X509_value(certificates, i);
    bool linked = false;
    for (int k = 0; k < i && !linked; ++k) linked = certifies(issuer, sk_X509_value(certificates, k));
    if (!linked) {
      throw TlsLoadError(
          place(path, i, issuer) +
          " did not sign any certificate before it; expected the certificate itself first, then "
          "its issuer, then the issuer's issuer");
    }
    if (X509_check_ca(issuer) == 0) {
      throw TlsLoadError(place(path, i, issuer) + " signed another one but is not a CA; use the CA's chain");
    }
  }
}

void check_key_matches(const config::Certificate& files, STACK_OF(X509) * certificates, const EVP_PKEY* key) {
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    if (X509_check_private_key(sk_X509_value(certificates, i), key) != 1) continue;
    ERR_clear_error();
    if (i == 0) return;
    throw TlsLoadError("the private key belongs to certificate " + std::to_string(i + 1) + " in " +
                       files.certificate + "; put that certificate first, then its chain");
  }
  ERR_clear_error();
  throw TlsLoadError("the private key " + files.private_key + " does not belong to the certificate " +
                     files.certificate + " (" + subject_text(sk_X509_value(certificates, 0)) +
                     "); expected the key that the certificate was requested with");
}

void warn_of_dates_and_usage(const std::string& path, STACK_OF(X509) * certificates, CertificateUse use,
                             std::vector<std::string>& warnings) {
  const bool server = use == CertificateUse::server;
  const std::string refused = server ? "clients will refuse it" : "backends will refuse it";
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    const X509* certificate = sk_X509_value(certificates, i);
    const std::string problem = validity_problem(certificate);
    if (!problem.empty()) {
      warnings.push_back(place(path, i, certificate) + " is " + problem + "; " + refused);
    }
  }
  X509* leaf = sk_X509_value(certificates, 0);
  if (X509_check_purpose(leaf, server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT, 0) != 1) {
    warnings.push_back(place(path, 0, leaf) + " is not meant for TLS " + (server ? "servers" : "clients") +
                       " (key usage); " + refused);
  }
}

// Whoever can read it can pass for its owner.
void warn_of_permissions(const std::string& path, std::vector<std::string>& warnings) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IRWXO) == 0) return;
  warnings.push_back("the private key " + path +
                     " is open to every user of this machine; expected no rights for others (chmod o= FILE)");
}

// Whatever OpenSSL had to say of a certificate on the way: a later message must not give it as its cause.
struct ErrorsCleared {
  ~ErrorsCleared() { ERR_clear_error(); }
};

}  // namespace

std::string validity_problem(const X509* certificate) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_time(end, nullptr) <= 0) return "expired on " + date_text(end);
  if (X509_cmp_time(begin, nullptr) >= 0) return "not valid before " + date_text(begin);
  return {};
}

std::time_t expiry_of(const LoadedCertificate& certificate) {
  std::time_t first = 0;
  const auto look_at = [&first](const X509* one) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(one), &parts) != 1) return;
    const std::time_t end = ::timegm(&parts);
    if (first == 0 || end < first) first = end;
  };
  look_at(certificate.leaf.get());
  for (int i = 0; i < sk_X509_num(certificate.chain.get()); ++i) look_at(sk_X509_value(certificate.chain.get(), i));
  return first;
}

std::string subject_text(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  constexpr unsigned long kFormat = XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB & ~XN_FLAG_SPC_EQ;
  if (!bio || X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, kFormat) <= 0) {
    return "no subject";
  }
  const char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

std::vector<std::string> dns_names(const X509* certificate, const std::string& source,
                                   std::vector<std::string>& warnings) {
  std::vector<std::string> names;
  const auto add = [&](std::string name) {
    if (!is_servable(name)) {
      warnings.push_back(source + ": the name \"" + name +
                         "\" of the certificate cannot be served and is ignored");
    } else if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  };
  using AlternativeNames = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
  const AlternativeNames alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!alternatives) {
    warnings.push_back(source + ": the certificate has no subjectAltName; browsers refuse it");
    const std::string name = common_name(certificate);
    if (is_servable(name)) names.push_back(name);
    return names;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (entry->type == GEN_DNS) add(dns_name_text(entry->d.dNSName));
  }
  return names;
}

LoadedCertificate load_certificate(const config::Certificate& files, std::vector<std::string>& warnings,
                                   CertificateUse use) {
  const ErrorsCleared at_end;
  const std::string& path = files.certificate;
  LoadedCertificate loaded;
  loaded.source = path;
  LoadFaults faults;
  loaded.chain = faults.attempt("certificate", [&] { return read_certificates(path); });
  loaded.key = faults.attempt("private_key", [&] { return read_private_key(files.private_key); });
  faults.throw_if_any();
  warn_of_permissions(files.private_key, warnings);
  STACK_OF(X509)* all = loaded.chain.get();
  faults.attempt("certificate", [&] {
    check_key_matches(files, all, loaded.key.get());
    check_key_kind(path, loaded.key.get());
    for (int i = 0; i < sk_X509_num(all); ++i) check_strength(path, i, sk_X509_value(all, i));
    check_chain(path, all);
  });
  faults.throw_if_any();
  warn_of_dates_and_usage(path, all, use, warnings);
  loaded.leaf.reset(sk_X509_shift(all));
  if (!files.ocsp.empty()) loaded.staple = read_ocsp_staple(files.ocsp, loaded.leaf.get(), all, warnings);
  if (!loaded.staple && use == CertificateUse::server && must_staple(loaded.leaf.get())) {
    warnings.push_back(path + " asks clients to insist on an OCSP staple, and there is none; set ocsp beside it, to the response for this certificate");
  }
  if (use == CertificateUse::server) loaded.names = dns_names(loaded.leaf.get(), path, warnings);
  return loaded;
}

}  // namespace sluice::tls
