#include "upstream/close_early.h"

#include "tls/reset_on_close.h"

namespace sluice::upstream {

void close_early(tls::StreamPtr stream) noexcept {
  if (stream->unacknowledged() == 0) tls::reset_on_close(stream->descriptor());
}

}  // namespace sluice::upstream
