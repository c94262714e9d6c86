#include "gateway/http/parse_error.h"

#include <cstddef>
#include <iterator>

namespace sluice::http {
namespace {

struct Description {
  std::string_view name;
  unsigned status;
  std::string_view sentence;
};

// In the order of the enumeration.
constexpr Description kDescriptions[] = {
    {"none", 400, "No error."},
    {"bad_request_line", 400, "The request line is malformed."},
    {"bad_method", 400, "The request method is not a token."},
    {"bad_target", 400, "The request target is malformed."},
    {"bad_version", 400, "The protocol version is malformed."},
    {"unsupported_version", 505, "The protocol version is not supported."},
    {"bad_status_line", 400, "The status line is malformed."},
    {"bad_line_end", 400, "A line does not end with CR and LF."},
    {"bad_header_name", 400, "A header field name is malformed."},
    {"bad_header_value", 400, "A header field value contains a control character."},
    {"obs_fold", 400, "A header line begins with white space."},
    {"missing_host", 400, "The Host field is missing."},
    {"repeated_host", 400, "The Host field is repeated."},
    {"bad_host", 400, "The Host field is malformed."},
    {"bad_content_length", 400, "The Content-Length field is not a plain number."},
    {"repeated_content_length", 400, "The Content-Length field is repeated."},
    {"content_length_with_transfer_encoding", 400,
     "Content-Length and Transfer-Encoding must not come together."},
    {"bad_transfer_encoding", 400, "Transfer-Encoding is not exactly chunked, or not allowed here."},
    {"request_line_too_long", 414, "The request line is too long."},
    {"head_too_large", 431, "The message head is too large."},
    {"too_many_headers", 431, "There are too many header fields."},
    {"bad_chunk_size", 400, "A chunk size is malformed."},
    {"bad_chunk_extension", 400, "A chunk extension is malformed or too long."},
    {"bad_chunk_end", 400, "A chunk does not end where its size says."},
    {"bad_trailer", 400, "A trailer field is malformed."},
    {"trailers_too_large", 431, "The trailer section is too large."},
    {"bad_expectation", 417, "The expectation cannot be met."},
    {"bad_scheme", 400, "The scheme is neither http nor https."},
    {"ambiguous_authority", 400, "The :authority and the Host field are not the same."},
    {"connect_with_body", 400, "A CONNECT for a tunnel must have neither a Content-Length nor an end."},
};
static_assert(std::size(kDescriptions) == static_cast<std::size_t>(ParseError::count_));

const Description& description_of(ParseError error) noexcept {
  return kDescriptions[static_cast<std::size_t>(error)];
}

}  // namespace

std::string_view name_of(ParseError error) noexcept { return description_of(error).name; }
unsigned status_of(ParseError error) noexcept { return description_of(error).status; }
std::string_view describe(ParseError error) noexcept { return description_of(error).sentence; }

}  // namespace sluice::http
