// An OCSP response from a file, which a listener staples to its certificate for clients that ask (RFC 6066 8). Used at start and reload;
// the result is immutable.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "tls/openssl_handles.h"

namespace sluice::tls {

struct OcspStaple {
  std::string der;
  std::time_t valid_until = 0;  // 0: the response does not say; from then on it is not given to clients
};

// The response in `path` (DER) for `leaf`, whose issuer is the first of `chain` (without one, only the serial number is compared).
// Nothing, with a warning, when it cannot be read, is no response, not for this certificate, not signed by its issuer, out of its dates, or
// does not say "good". Never an error: none is better than one that makes clients refuse the certificate, and the one that lies there
// after a renewal, which is of the certificate from before, must not keep the new certificate from being served.
std::optional<OcspStaple> read_ocsp_staple(const std::string& path, X509* leaf, STACK_OF(X509) * chain,
                                           std::vector<std::string>& warnings);

// Whether the certificate tells clients to insist on a staple (RFC 7633).
bool must_staple(const X509* certificate);

}  // namespace sluice::tls
