// An owned TLS session: what a context makes and a Stream takes over.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace sluice::tls {

struct SslFree {
  // Frees the BIOs set on it too.
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

}  // namespace sluice::tls
