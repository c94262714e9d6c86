#include "config/key_lines.h"

namespace sluice::config {

int KeyLines::line_of(std::string_view key_path) const {
  while (true) {
    const auto found = lines_.find(key_path);
    if (found != lines_.end()) return found->second;
    const auto cut = key_path.find_last_of(".[");
    if (cut == std::string_view::npos) break;
    key_path = key_path.substr(0, cut);
  }
  return lines_.empty() ? 0 : 1;
}

}  // namespace sluice::config
