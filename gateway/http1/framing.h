// What the fields of a head mean for its framing and its connection (RFC 9112 6, 9.3; RFC 9110 7.2, 10.1.1):
// the part where two parsers must not be able to disagree. Fills in `body`, `keep_alive` and what belongs to
// them. No I/O.
#pragma once

#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"

namespace sluice::http1 {

using http::ParseError;

// Also checks Host, and takes the authority from it unless the target has brought one.
ParseError apply_request_fields(http::RequestHead& head);
ParseError apply_response_fields(http::ResponseHead& head, std::string_view request_method);

}  // namespace sluice::http1
