// The fields of a request as nghttp2 takes them. What it takes it copies, names in lower case.
#pragma once

#include <vector>

#include "gateway/http2/nghttp2_handles.h"
#include "gateway/http2/session.h"

namespace sluice::http2 {

// Pseudo fields (Host is ":authority"), then the others without those that belong to one connection of HTTP/1.1. Views; the
// thread's, and overwritten by the next call, also of response_fields() and trailer_fields().
const std::vector<nghttp2_nv>& request_fields(const OutgoingRequest& request);

}  // namespace sluice::http2
