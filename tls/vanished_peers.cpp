#include "tls/vanished_peers.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

namespace sluice::tls {
namespace {

void set(int descriptor, int level, int option, std::int64_t value) noexcept {
  const int number = static_cast<int>(std::min<std::int64_t>(value, std::numeric_limits<int>::max()));
  ::setsockopt(descriptor, level, option, &number, sizeof number);
}

}  // namespace

void probe_silent_peer(int descriptor) noexcept {
  set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfter.count());
  set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kProbeEvery.count());
  set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

// The kernel gives silent peers up by this limit, too: a lower one would take a single lost probe for their
// end.
void limit_unacknowledged(int descriptor, std::optional<std::chrono::milliseconds> limit) noexcept {
  if (!limit) return set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
  const std::chrono::milliseconds longest = std::max<std::chrono::milliseconds>(*limit, kVanishedAfter);
  set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, longest.count());
}

}  // namespace sluice::tls
