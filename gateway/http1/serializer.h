// Writes heads and body framing. Appends to a caller's string; no I/O. Requests and responses are always
// written anew from their parts, never copied through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/headers.h"
#include "gateway/http/message.h"

namespace sluice::http1 {

// The head up to and with the empty line. The caller has set every field, framing and Host included.
void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const http::Headers& headers);
void append_response_head(std::string& out, unsigned status, std::string_view reason,
                          const http::Headers& headers);

// "<hex>\r\n" right-aligned so that it ends just before a chunk's payload: returns how many bytes of `room`
// it took, counted from its end. kChunkHeadRoom bytes always suffice.
inline constexpr std::size_t kChunkHeadRoom = 18;
std::size_t write_chunk_head(char (&room)[kChunkHeadRoom], std::uint64_t size) noexcept;
inline constexpr std::string_view kChunkEnd = "\r\n";
// The last chunk with its trailers.
void append_last_chunk(std::string& out, const http::Headers& trailers);

}  // namespace sluice::http1
