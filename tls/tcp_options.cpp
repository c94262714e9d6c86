#include "tls/tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tls/unsent_limit.h"
#include "tls/vanished_peers.h"

namespace sluice::tls {

void set_tcp_options(int descriptor) noexcept {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  probe_silent_peer(descriptor);
  limit_unsent(descriptor);
}

}  // namespace sluice::tls
