// The words of `listeners.protocols` as people call them: `HTTP/2 and HTTP/1.1`.
#pragma once

#include <string>
#include <vector>

namespace sluice::config {

inline std::string protocol_names(const std::vector<std::string>& protocols) {
  std::string text;
  for (const std::string& protocol : protocols) {
    if (!text.empty()) text += " and ";
    text += protocol == "h2" ? "HTTP/2" : "HTTP/1.1";
  }
  return text;
}

}  // namespace sluice::config
