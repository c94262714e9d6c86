#include "tls/passed_descriptors.h"

#include <sys/socket.h>

// Newer than most systems' headers.
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

namespace sluice::tls {

void refuse_descriptors(int descriptor) noexcept {
  const int off = 0;
  ::setsockopt(descriptor, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

}  // namespace sluice::tls
