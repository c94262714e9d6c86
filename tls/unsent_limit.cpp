#include "tls/unsent_limit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace sluice::tls {

void limit_unsent(int descriptor) noexcept {
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentMost, sizeof kUnsentMost);
}

}  // namespace sluice::tls
