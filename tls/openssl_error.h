// OpenSSL's per-thread error queue as text for people.
#pragma once

#include <string>

namespace sluice::tls {

// Oldest error first (the cause; later ones say what it led to), joined by "; ". "unknown error" when there
// is none. Empties the calling thread's queue, so that a later call does not report an old failure.
std::string take_openssl_error_text();

// Whether the last error is the peer's alert that it speaks none of the offered protocols (RFC 7301 3.2).
bool peer_knows_no_protocol() noexcept;

// Empties the calling thread's queue, which SSL_get_error() wants before the call that it is asked about.
// ERR_clear_error() walks all sixteen slots (840 instructions, four times a request), and most often there is nothing in them.
void forget_openssl_errors() noexcept;

}  // namespace sluice::tls
