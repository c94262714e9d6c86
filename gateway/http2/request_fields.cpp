#include "gateway/http2/request_fields.h"

#include "gateway/http2/response_fields.h"

namespace sluice::http2 {

const std::vector<nghttp2_nv>& request_fields(const OutgoingRequest& request) {
  std::vector<nghttp2_nv>& list = emptied_fields();
  list.push_back(field_of(":method", request.method));
  if (!request.protocol.empty()) list.push_back(field_of(":protocol", request.protocol));
  list.push_back(field_of(":scheme", request.scheme));
  const std::string_view host = request.headers.find("Host").value_or("");
  if (!host.empty()) list.push_back(field_of(":authority", host));
  list.push_back(field_of(":path", request.target));
  for (const http::Field& field : request.headers) {
    // TE may only say this one thing (RFC 9113 8.2.2).
    const bool left_out = is_of_one_connection(field.name) || http::equals_ignore_case(field.name, "Host") ||
                          http::equals_ignore_case(field.name, "TE");
    if (!left_out) list.push_back(field_of(field.name, field.value));
  }
  if (request.accepts_trailers) list.push_back(field_of("te", "trailers"));
  return list;
}

}  // namespace sluice::http2
