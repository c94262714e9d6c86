#include "config/visible.h"

#include <cstdio>

namespace sluice::config {

void append_visible(std::string& out, std::string_view text) {
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool c1 = before == 0xC2 && byte >= 0x80 && byte < 0xA0;
    before = byte;
    if (byte >= 0x20 && byte != 0x7F && !c1) {
      out += c;
      continue;
    }
    if (c1) out.pop_back();
    char escape[9];
    std::snprintf(escape, sizeof escape, c1 ? "\\xc2\\x%02x" : "\\x%02x", static_cast<unsigned>(byte));
    out += escape;
  }
}

std::string visible(std::string_view text) {
  std::string result;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    append_visible(result, text.substr(0, end));
    result += '\n';
    text.remove_prefix(end + 1);
  }
  append_visible(result, text);
  return result;
}

}  // namespace sluice::config
