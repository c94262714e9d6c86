// How many informational responses (1xx) one request may get; a backend that sends more is broken. RFC 9110 15.2 knows no bound.
#pragma once

namespace sluice::http {

inline constexpr unsigned kMaxInterim = 32;
inline constexpr unsigned kMaxHeads = kMaxInterim + 1;  // with that of the response itself

}  // namespace sluice::http
