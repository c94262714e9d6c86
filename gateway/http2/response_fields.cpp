#include "gateway/http2/response_fields.h"

#include <algorithm>
#include <iterator>

namespace sluice::http2 {

bool is_of_one_connection(std::string_view name) noexcept {
  static constexpr std::string_view kNames[] = {"Connection",        "Keep-Alive", "Proxy-Connection",
                                                "Transfer-Encoding", "Upgrade",    "HTTP2-Settings"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [name](std::string_view one) { return http::equals_ignore_case(name, one); });
}

namespace {

// Of these no two have the same value. In the other side's table they would push out what can be had from there again, and nghttp2 compares
// a value with all that the table has of its name: a fifth of what a request to a backend took.
bool is_new_each_time(std::string_view name) noexcept {
  return http::equals_ignore_case(name, "X-Request-Id") || http::equals_ignore_case(name, "traceparent");
}

}  // namespace

nghttp2_nv field_of(std::string_view name, std::string_view value) noexcept {
  // The library does not write through them.
  auto* const name_data = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
  auto* const value_data = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
  const std::uint8_t flags = is_new_each_time(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  return {name_data, value_data, name.size(), value.size(), flags};
}

std::vector<nghttp2_nv>& emptied_fields() {
  constexpr std::size_t kKeptFields = 256;  // what one unusually long head needed is not kept
  thread_local std::vector<nghttp2_nv> list;
  if (list.capacity() > kKeptFields) std::vector<nghttp2_nv>().swap(list);
  list.clear();
  return list;
}

namespace {

void append(std::vector<nghttp2_nv>& list, const http::Headers& headers) {
  for (const http::Field& field : headers) {
    if (!is_of_one_connection(field.name)) list.push_back(field_of(field.name, field.value));
  }
}

}  // namespace

const std::vector<nghttp2_nv>& response_fields(unsigned status, const http::Headers& headers) {
  thread_local char digits[3];
  for (int i = 2; i >= 0; --i, status /= 10) digits[i] = static_cast<char>('0' + status % 10);
  std::vector<nghttp2_nv>& list = emptied_fields();
  list.push_back(field_of(":status", {digits, sizeof digits}));
  append(list, headers);
  return list;
}

const std::vector<nghttp2_nv>& trailer_fields(const http::Headers& headers) {
  std::vector<nghttp2_nv>& list = emptied_fields();
  append(list, headers);
  return list;
}

}  // namespace sluice::http2
