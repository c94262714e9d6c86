// What both halves of `sluice plan` are made of: sections of lines, and what stays where.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "config/config.h"

namespace sluice::commands {

// A section's lines: what comes (+), goes (-) and changes (~); nothing when it stays as it is.
class PlanSection {
 public:
  explicit PlanSection(const char* title) : title_(title) {}
  void add(char sign, const std::string& what) { lines_ += std::string("  ") + sign + " " + what + "\n"; }
  std::string text() const { return lines_.empty() ? "" : std::string(title_) + "\n" + lines_; }

 private:
  const char* title_;
  std::string lines_;
};

template <typename Named>
const Named* find_named(const std::vector<Named>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

inline const config::Endpoint* find_endpoint(const config::Upstream& upstream, const std::string& url) {
  const auto found = std::find_if(upstream.endpoints.begin(), upstream.endpoints.end(),
                                  [&](const config::Endpoint& one) { return one.url == url; });
  return found == upstream.endpoints.end() ? nullptr : &*found;
}

inline bool has_entry(const config::Upstream& upstream, const std::string& text) {
  return std::any_of(upstream.discoveries.begin(), upstream.discoveries.end(),
                     [&](const config::Discovery& one) { return one.text() == text; });
}

// Whether an endpoint that the gateway has now stays. One that does not stand in the file was discovered, and stays as long as
// every entry does that may have led to it.
inline bool keeps_endpoint(const config::Upstream& before, const config::Upstream& next, const std::string& url) {
  if (find_endpoint(next, url) != nullptr) return true;
  if (before.discoveries.empty() || find_endpoint(before, url) != nullptr) return false;
  return std::all_of(before.discoveries.begin(), before.discoveries.end(),
                     [&next](const config::Discovery& one) { return has_entry(next, one.text()); });
}

}  // namespace sluice::commands
