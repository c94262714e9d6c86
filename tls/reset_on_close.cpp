#include "tls/reset_on_close.h"

#include <sys/socket.h>

namespace sluice::tls {

void reset_on_close(int socket) noexcept {
  const linger hard{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

}  // namespace sluice::tls
