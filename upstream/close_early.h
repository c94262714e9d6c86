// Closes a connection to a backend before the backend does: by a reset when the backend has all that was sent, since a TIME_WAIT on this
// side would take one of the ports towards that backend for a minute. Whoever asks and leaves, over and over, could use them up.
#pragma once

#include "tls/stream.h"

namespace sluice::upstream {

void close_early(tls::StreamPtr stream) noexcept;

}  // namespace sluice::upstream
