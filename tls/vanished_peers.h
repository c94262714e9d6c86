// Peers that vanish without a FIN or a reset (a machine that lost its power, a phone out of reach): only the
// kernel can tell them from silent ones. For sockets of TCP; a listening one hands both settings to those
// that it accepts.
#pragma once

#include <chrono>
#include <optional>

namespace sluice::tls {

inline constexpr std::chrono::seconds kProbeAfter{60};  // of silence
inline constexpr std::chrono::seconds kProbeEvery{15};
inline constexpr int kProbes = 4;
inline constexpr std::chrono::seconds kVanishedAfter = kProbeAfter + kProbes * kProbeEvery;

// Asks a silent peer's kernel for a sign of life, and ends the connection kVanishedAfter its last one; with a longer
// limit_unacknowledged() after that, which the kernel puts first.
void probe_silent_peer(int descriptor) noexcept;
// Ends the connection when bytes that were sent are not acknowledged, or find no room, for `limit`, but not
// before a silent peer would be given up. Absent: takes such a limit off.
void limit_unacknowledged(int descriptor, std::optional<std::chrono::milliseconds> limit) noexcept;

}  // namespace sluice::tls
