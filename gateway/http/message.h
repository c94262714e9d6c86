// The heads of an exchange, whatever protocol version carried them. Owned by one exchange, not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/headers.h"

namespace sluice::http {

enum class Version : std::uint8_t { http_1_0, http_1_1, http_2 };

enum class BodyKind : std::uint8_t {
  none,
  length,       // exactly `content_length` bytes
  chunked,
  until_close,  // responses only (RFC 9112 6.3)
};

struct BodyFraming {
  BodyKind kind = BodyKind::none;
  std::uint64_t content_length = 0;  // for `length`
};

// The form in which the request target arrived (RFC 9112 3.2).
enum class TargetForm : std::uint8_t { origin, absolute, asterisk };

struct RequestHead {
  std::string bytes;  // the head as received; the views below and in `headers` point into it
  std::string_view method;
  std::string_view protocol;   // of an extended CONNECT (RFC 8441), else empty
  std::string_view target;     // as received
  TargetForm form = TargetForm::origin;
  std::string_view authority;  // from an absolute-form target, else from Host; without userinfo, never empty on 1.1
  std::string_view path;       // as received, starts with '/' ("*" for asterisk form; the whole target of a CONNECT)
  std::string_view query;      // as received, with its '?', or empty
  Version version = Version::http_1_1;
  Headers headers;
  BodyFraming body;
  bool keep_alive = true;      // what version and Connection ask for
  bool expect_continue = false;

  void clear() noexcept;       // keeps memory, unless it was unusually much
};

struct ResponseHead {
  std::string bytes;
  unsigned status = 0;
  std::string_view reason;
  Version version = Version::http_1_1;
  Headers headers;
  BodyFraming body;            // already decided from the request's method and the status
  bool keep_alive = true;

  void clear() noexcept;
};

bool is_idempotent(std::string_view method) noexcept;  // RFC 9110 9.2.2
std::string_view default_reason(unsigned status) noexcept;

}  // namespace sluice::http
