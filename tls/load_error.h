// What loading certificates, keys and trust stores throws: it happens at start and at reload only, and the
// caller turns it into a configuration error. The message says what is wrong and what to do.
#pragma once

#include <stdexcept>

namespace sluice::tls {

struct TlsLoadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sluice::tls
