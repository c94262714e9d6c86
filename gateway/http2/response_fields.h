// The fields of a response as nghttp2 takes them. What it takes it copies, names in lower case.
#pragma once

#include <string_view>
#include <vector>

#include "gateway/http/headers.h"
#include "gateway/http2/nghttp2_handles.h"

namespace sluice::http2 {

// ":status" and the fields, without those that belong to one connection of HTTP/1.1 (RFC 9113 8.2.2). Views;
// the thread's, and overwritten by the next call.
const std::vector<nghttp2_nv>& response_fields(unsigned status, const http::Headers& headers);
// The same without ":status".
const std::vector<nghttp2_nv>& trailer_fields(const http::Headers& headers);

// For those, and for requests.
bool is_of_one_connection(std::string_view name) noexcept;
nghttp2_nv field_of(std::string_view name, std::string_view value) noexcept;
std::vector<nghttp2_nv>& emptied_fields();  // the thread's

}  // namespace sluice::http2
