// Loads one certificate with its chain and key, and checks that a listener can serve it, or that backends can be shown it. The result is
// immutable and may be shared between threads. Used at start and reload.
#pragma once

#include <string>
#include <vector>

#include "config/listener_config.h"
#include "tls/load_error.h"
#include "tls/ocsp_staple.h"
#include "tls/openssl_handles.h"

namespace sluice::tls {

struct LoadedCertificate {
  std::string source;  // the file, for messages
  CertificatePtr leaf;
  CertificateStackPtr chain;  // without the leaf; never null
  PrivateKeyPtr key;
  std::optional<OcspStaple> staple;
  std::vector<std::string> names;  // DNS names in lower case, "*." first for a wildcard

  // Certificates of different key types serve the same name side by side (an EVP_PKEY_* id).
  int key_type() const { return EVP_PKEY_get_base_id(key.get()); }
};

enum class CertificateUse { server, client };

// Throws TlsLoadError for what cannot work; appends to `warnings` what the peers will complain of (expired,
// not yet valid, wrong usage, no subjectAltName). For a client's certificate the names stay empty.
LoadedCertificate load_certificate(const config::Certificate& files, std::vector<std::string>& warnings,
                                   CertificateUse use = CertificateUse::server);

// "expired on DATE" or "not valid before DATE"; empty when the certificate is within its dates.
std::string validity_problem(const X509* certificate);

// When the first of the certificate and its chain expires; 0: that cannot be read.
std::time_t expiry_of(const LoadedCertificate& certificate);

// The subject on one line, for messages.
std::string subject_text(const X509* certificate);

// The names a listener serves with this certificate: dNSName entries, or the last common name when there is
// no subjectAltName at all (RFC 6125, 6.4.4). Wildcards other than a whole first label are left out, with a
// warning.
std::vector<std::string> dns_names(const X509* certificate, const std::string& source,
                                   std::vector<std::string>& warnings);

}  // namespace sluice::tls
