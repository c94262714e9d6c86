#include "gateway/http/message.h"

#include <algorithm>
#include <iterator>

namespace sluice::http {
namespace {

struct Reason {
  unsigned status;
  std::string_view text;
};

// RFC 9110 15 and the statuses registered beside it that a gateway meets; ascending.
constexpr Reason kReasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};
static_assert(std::is_sorted(std::begin(kReasons), std::end(kReasons),
                             [](const Reason& a, const Reason& b) { return a.status < b.status; }));

// What one unusually large head needed is not kept on a connection that may be idle for long.
constexpr std::size_t kKeptBytes = 4096;

void forget(std::string& bytes) noexcept {
  if (bytes.capacity() > kKeptBytes) {
    std::string().swap(bytes);  // assigning would keep the memory
  } else {
    bytes.clear();
  }
}

}  // namespace

void RequestHead::clear() noexcept {
  forget(bytes);
  method = protocol = target = authority = path = query = {};
  form = TargetForm::origin;
  version = Version::http_1_1;
  headers.clear();
  body = {};
  keep_alive = true;
  expect_continue = false;
}

void ResponseHead::clear() noexcept {
  forget(bytes);
  status = 0;
  reason = {};
  version = Version::http_1_1;
  headers.clear();
  body = {};
  keep_alive = true;
}

bool is_idempotent(std::string_view method) noexcept {
  static constexpr std::string_view kIdempotent[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
  return std::find(std::begin(kIdempotent), std::end(kIdempotent), method) != std::end(kIdempotent);
}

std::string_view default_reason(unsigned status) noexcept {
  const auto* found =
      std::lower_bound(std::begin(kReasons), std::end(kReasons), status,
                       [](const Reason& reason, unsigned wanted) { return reason.status < wanted; });
  return found != std::end(kReasons) && found->status == status ? found->text : std::string_view();
}

}  // namespace sluice::http
