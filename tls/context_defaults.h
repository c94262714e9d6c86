// What contexts of both directions have in common: versions, ciphers, modes.
#pragma once

#include "tls/openssl_handles.h"

namespace sluice::tls {

// A context with modern defaults. `min_version` is TLS1_2_VERSION or TLS1_3_VERSION. Throws TlsLoadError.
SslContextPtr make_context(const SSL_METHOD* method, int min_version);

}  // namespace sluice::tls
