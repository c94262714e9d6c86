// OpenSSL's per-thread error queue as text for people.
#pragma once

#include <string>

namespace sluice::tls {

// Oldest error first (the cause; later ones say what it led to), joined by "; ". "unknown error" when there
// is none. Empties the calling thread's queue, so that a later call does not report an old failure.
std::string take_openssl_error_text();

}  // namespace sluice::tls
