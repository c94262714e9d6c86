// Looks at the frame headers that a client sends before nghttp2 does, for what it lets pass when streams have
// no RFC 7540 priorities, as it then forgets a stream as soon as it is closed. One connection owns it. No
// I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/http2/closed_streams.h"
#include "gateway/http2/codes.h"

namespace sluice::http2 {

class FrameGuard {
 public:
  struct Step {
    std::size_t good = 0;         // so many bytes may go on
    Code fault = Code::no_error;  // of the connection, in what follows them; nothing may go on any more
  };
  // The next bytes of the connection, from the preface on, in pieces of any size.
  Step check(std::string_view bytes);
};

}  // namespace sluice::http2
