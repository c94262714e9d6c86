// What a peer does not read waits in the kernel, beyond the gateway's own bounds: by itself some 4 MiB on each socket. A few hundred
// peers that read nothing would bring the machine's TCP into memory pressure, in which segments of all others are dropped.
// For sockets of TCP; a listening one hands the limit to those that it accepts.
#pragma once

namespace sluice::tls {

// Bytes that the kernel takes before it has sent them (TCP_NOTSENT_LOWAT). What is under way to a peer that reads does not count, so
// that a fast one is not slowed down.
inline constexpr int kUnsentMost = 128 * 1024;

void limit_unsent(int descriptor) noexcept;

}  // namespace sluice::tls
