// A certificate for trying things out: ECDSA P-256 for localhost, 127.0.0.1 and ::1, valid for 90 days,
// signed by itself, with a random serial number. It lives in memory only; every start makes another.
#pragma once

#include "tls/load_certificate.h"

namespace sluice::tls {

// Throws TlsLoadError when OpenSSL cannot make one (out of memory or randomness).
LoadedCertificate make_self_signed();

}  // namespace sluice::tls
