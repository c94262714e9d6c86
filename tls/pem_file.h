// Reads certificates and private keys from PEM files. Used at start and reload; throws TlsLoadError.
#pragma once

#include <string>

#include "tls/load_error.h"
#include "tls/openssl_handles.h"

namespace sluice::tls {

// Every certificate of the file, in its order; at least one. Other PEM blocks (a key in the same file) are
// skipped.
CertificateStackPtr read_certificates(const std::string& path);

// The first private key of the file. An encrypted key is an error: a gateway has nobody to ask for a
// passphrase.
PrivateKeyPtr read_private_key(const std::string& path);

}  // namespace sluice::tls
