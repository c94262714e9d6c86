#include "gateway/http1/serializer.h"

#include <cassert>
#include <cstring>

#include "gateway/http/characters.h"

namespace sluice::http1 {
namespace {

constexpr std::string_view kVersion = "HTTP/1.1";
constexpr std::string_view kLineEnd = "\r\n";

std::size_t size_of_fields(const http::Headers& headers) noexcept {
  std::size_t size = kLineEnd.size();
  for (const http::Field& field : headers) size += field.name.size() + field.value.size() + 4;
  return size;
}

char* put(char* to, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* put_fields(char* to, const http::Headers& headers) noexcept {
  for (const http::Field& field : headers) {
    // Whatever comes from outside was checked when it was parsed; a line end here would be a smuggled field.
    assert(!field.name.empty() && http::all_of(http::kToken, field.name));
    assert(http::all_of(http::kFieldValue, field.value));
    to = put(put(put(put(to, field.name), ": "), field.value), kLineEnd);
  }
  return put(to, kLineEnd);
}

// Makes room for exactly `size` more bytes, so that a head is written without a check per piece.
char* grow(std::string& out, std::size_t size) {
  const std::size_t before = out.size();
  out.resize(before + size);
  return out.data() + before;
}

}  // namespace

void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const http::Headers& headers) {
  const std::size_t line = method.size() + 1 + target.size() + 1 + kVersion.size() + kLineEnd.size();
  char* to = grow(out, line + size_of_fields(headers));
  to = put(put(put(to, method), " "), target);
  to = put(put(put(to, " "), kVersion), kLineEnd);
  put_fields(to, headers);
}

void append_response_head(std::string& out, unsigned status, std::string_view reason,
                          const http::Headers& headers) {
  assert(status >= 100 && status <= 999);
  const char digits[] = {' ', static_cast<char>('0' + status / 100),
                         static_cast<char>('0' + status / 10 % 10), static_cast<char>('0' + status % 10),
                         ' '};
  const std::size_t line = kVersion.size() + sizeof digits + reason.size() + kLineEnd.size();
  char* to = grow(out, line + size_of_fields(headers));
  to = put(put(to, kVersion), {digits, sizeof digits});
  to = put(put(to, reason), kLineEnd);
  put_fields(to, headers);
}

std::size_t write_chunk_head(char (&room)[kChunkHeadRoom], std::uint64_t size) noexcept {
  std::size_t at = kChunkHeadRoom;
  room[--at] = '\n';
  room[--at] = '\r';
  do {
    room[--at] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  return kChunkHeadRoom - at;
}

void append_last_chunk(std::string& out, const http::Headers& trailers) {
  char* const to = grow(out, 3 + size_of_fields(trailers));
  put_fields(put(to, "0\r\n"), trailers);
}

}  // namespace sluice::http1
