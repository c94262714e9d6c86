// How text from outside gets into a log line: nothing that it holds may end the line, leave its quotes or
// steer a terminal.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace sluice::metrics {

// "2025-01-31T09:30:00.123Z"
void append_utc_time(std::string& out, std::chrono::system_clock::time_point time);
// UTF-8 as it is; control characters, ends of lines and invalid bytes as \xhh.
void append_one_line(std::string& out, std::string_view text);
// Printable ASCII as it is, anything else as \xhh; `also_escaped` gets a backslash, except the space, which
// becomes \x20. A backslash is always doubled.
void append_printable(std::string& out, std::string_view text, std::string_view also_escaped);

// How many bytes of a text from outside a line of the access log takes, as printed: an escape counts in full.
// So the longest line that a client can cause (method, host, target, referer, user agent, the subject of its
// certificate, request id) is about 10 KiB whatever it sends. Honest texts are seldom longer.
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxTarget = 2048;
// Stands at the end of a text that was cut, beyond those bytes.
constexpr std::string_view kCutMark = "[...]";

// Appends a text, given in parts, as `print` writes it, and no more than `limit` bytes of it. It is cut
// between two characters, never within an escape or a percent-encoded byte; no part may end within one
// either.
class CutText {
 public:
  using Print = void (*)(std::string& out, std::string_view text);
  CutText(std::string& out, std::size_t limit, Print print)
      : out_(out), end_(out.size() + limit), print_(print) {}
  void add(std::string_view part);

 private:
  std::string& out_;
  const std::size_t end_;
  const Print print_;
  bool cut_ = false;
};

// As much of a text as CutText looks at. Printing makes nothing shorter, so the rest is beyond the cut.
std::string_view looked_at(std::string_view text, std::size_t limit) noexcept;

// Whether a query parameter of that name (perhaps percent-encoded) holds a secret.
bool is_secret_parameter(std::string_view name) noexcept;

// Calls append(part) for the parts of a request target or URL, the values of secret query parameters replaced
// by ***. A parameter begins after `?`, `&` or `;`, but a secret value ends at `&` only: half a secret must
// not stay behind when the application does not split at `;`.
template <class Append>
void append_masked(std::string_view target, Append append) {
  std::size_t written = 0;
  std::size_t name = target.find('?');
  while (name != std::string_view::npos) {
    ++name;
    const std::size_t name_end = target.find_first_of("=&;", name);
    if (name_end == std::string_view::npos) break;
    if (target[name_end] != '=') {
      name = name_end;
      continue;
    }
    const bool secret = is_secret_parameter(target.substr(name, name_end - name));
    const std::size_t value_end = target.find_first_of(secret ? "&" : "&;", name_end);
    if (secret) {
      append(target.substr(written, name_end + 1 - written));
      append(std::string_view("***"));
      written = value_end == std::string_view::npos ? target.size() : value_end;
    }
    name = value_end;
  }
  append(target.substr(written));
}

}  // namespace sluice::metrics
