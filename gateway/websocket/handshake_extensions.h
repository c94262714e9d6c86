// Sec-WebSocket-Extensions in a backend's answer, held against what the client offered (RFC 6455 9.1). No
// I/O.
#pragma once

#include "gateway/http/headers.h"

namespace sluice::websocket {

// Every extension in the answer was offered under that very name. The parameters of permessage-deflate (RFC
// 7692 7.1) must also be known, valid, not repeated, and client_max_window_bits only there when the client
// offered it; it may be chosen once. The parameters of other extensions are between the two ends.
bool extensions_were_offered(const http::Headers& request, const http::Headers& response) noexcept;

// What the extensions in the answer, which were offered, do to the reserved bits of frames.
struct ReservedBits {
  std::uint8_t allowed = 0;  // in the first frame of a message: RSV1 with permessage-deflate (RFC 7692 6)
  bool any = false;          // an extension that we do not know: no frame can be judged by them
};
ReservedBits reserved_bits_of(const http::Headers& response) noexcept;

}  // namespace sluice::websocket
