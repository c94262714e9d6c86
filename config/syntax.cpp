#include "config/syntax.h"

#include <algorithm>
#include <array>

#include "config/address.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_unreserved(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos;
}
bool is_upper_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }
int hex_value(char c) { return is_digit(c) ? c - '0' : c - 'A' + 10; }

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

Fault check_escape(std::string_view escape) {
  if (escape.size() < 3 || !is_upper_hex(escape[1]) || !is_upper_hex(escape[2])) {
    return "has a % without two upper-case hex digits; expected an escape such as %20";
  }
  const char decoded = static_cast<char>(hex_value(escape[1]) * 16 + hex_value(escape[2]));
  if (is_unreserved(decoded)) {
    return "has " + std::string(escape.substr(0, 3)) +
           ", which is never escaped in what it is compared with; expected " + decoded;
  }
  if (decoded == '/' || decoded == '\\' || decoded == '\0') {
    return "has " + std::string(escape.substr(0, 3)) +
           ", and requests with that are answered 400; expected a path without it";
  }
  return std::nullopt;
}

Fault check_segments(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(1, end - 1);
    if (segment.empty() && end < path.size()) {
      return Fault("has //, and requests are compared with single slashes; expected /");
    }
    // Servlet containers cut "..;x" off at the semicolon.
    const std::string_view name = segment.substr(0, std::min(segment.find(';'), segment.find("%3B")));
    if (name == "." || name == "..") {
      return "has the segment " + std::string(segment) +
             ", which no compared path has; expected a path without it";
    }
    path.remove_prefix(end);
  }
  return std::nullopt;
}

}  // namespace

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  std::string_view label;
  for (std::size_t start = 0; start <= text.size(); start += label.size() + 1) {
    label = text.substr(start, text.find('.', start) - start);
    if (!is_label(label)) return false;
  }
  return !std::all_of(label.begin(), label.end(), is_digit);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

Fault take_text(const std::string& text, std::string& result) {
  result = text;
  return std::nullopt;
}

Fault parse_name(const std::string& text, std::string& name) {
  const bool good = !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
  });
  if (!good) return in_quotes(text) + " is not a name; expected 1 to 64 letters, digits, '.', '_' or '-'";
  name = text;
  return std::nullopt;
}

Fault parse_subprotocol(const std::string& text, std::string& name) {
  if (!is_token(text)) return in_quotes(text) + " is not a subprotocol; expected a name such as chat.v2";
  name = text;
  return std::nullopt;
}

Fault parse_match_host(const std::string& text, std::string& host) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  const std::string inner = bracketed ? text.substr(1, text.size() - 2) : text;
  std::uint8_t bytes[16];
  bool v6 = false;
  if (parse_ip(inner, bytes, v6) && (v6 || !bracketed)) {
    host = canonical_ip(inner);
    return std::nullopt;
  }
  if (text == "*") return Fault("\"*\" is not a host; leave hosts out to match any");
  const bool wildcard = text.rfind("*.", 0) == 0;
  if (!is_host_name(wildcard ? text.substr(2) : text)) {
    return in_quotes(text) +
           " is not a host; expected a name such as chat.example.com or *.example.com, without a port";
  }
  host = lower_case(text);
  return std::nullopt;
}

Fault check_path(std::string_view path) {
  static constexpr std::string_view kOthers = "!$&'()*+,;=:@/";
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '%') {
      if (Fault fault = check_escape(path.substr(i))) return fault;
    } else if (!is_unreserved(c) && kOthers.find(c) == std::string_view::npos) {
      const bool ascii = static_cast<unsigned char>(c) < 0x80;
      return "has " + (ascii ? in_quotes(path.substr(i, 1)) : "a character outside ASCII") +
             ", which no path has; expected it percent-encoded, and no query";
    }
  }
  return check_segments(path);
}

Fault parse_match_path(const std::string& text, std::string& path) {
  if (text.empty() || text[0] != '/')
    return in_quotes(text) + " does not start with /; expected a path such as /ws";
  if (Fault fault = check_path(text)) return in_quotes(text) + " " + *fault;
  path = text;
  return std::nullopt;
}

Fault parse_share(const std::string& text, unsigned& percent) {
  const std::optional<unsigned> parsed = parse_percent(text);
  if (!parsed) return "is " + in_quotes(text) + "; expected " + kShareExpected;
  percent = *parsed;
  return {};
}

Fault parse_method(const std::string& text, std::string& method) {
  const bool lower = std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!is_token(text) || lower) {
    return in_quotes(text) + " is not a method; expected an upper-case word such as GET or POST";
  }
  if (text == "CONNECT" || text == "TRACE") {
    return text + " is refused by the gateway and never reaches a route; expected another method";
  }
  method = text;
  return std::nullopt;
}

Fault parse_server_name(const std::string& text, std::string& name) {
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!is_host_name(text) && !parse_ip(text, bytes, v6)) {
    return in_quotes(text) + " is not a host name; expected the name in the upstream's certificate";
  }
  name = lower_case(text);
  return std::nullopt;
}

Fault check_header_name(const std::string& name, HeaderDirection direction) {
  // Hop-by-hop and framing fields (RFC 9110 7.6.1, RFC 9112 6): one wrong value here splits messages.
  static constexpr std::array<std::string_view, 8> kReserved = {
      "connection", "proxy-connection", "keep-alive",     "transfer-encoding",
      "te",         "trailer",          "content-length", "upgrade"};
  if (!is_token(name)) {
    return in_quotes(name) + " is not a header name; expected a token such as X-Client (RFC 9110 5.6.2)";
  }
  const std::string lower = lower_case(name);
  if (std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end()) {
    return name +
           " belongs to the connection, and the gateway itself keeps it right; expected another header";
  }
  if (lower.rfind("sec-websocket-", 0) == 0) {
    return name + " belongs to the WebSocket handshake, which is forwarded as it is; expected another header";
  }
  if (lower == "host" && direction == HeaderDirection::request) {
    return Fault("Host is changed by rewrite.host; expected that key, or another header");
  }
  return std::nullopt;
}

}  // namespace sluice::config
