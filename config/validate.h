// The rules that reach over more than one key: names that must exist or be unique, sections that need one
// another.
#pragma once

#include "config/config.h"
#include "config/report.h"

namespace sluice::config {

void validate(const Config& config, Report& report);

// The part of validate() for `routes`, called by it.
void validate_routes(const Config& config, Report& report);
// The part of validate_routes() for the `rewrite` of one, which stands at `path`.
void validate_rewrite(const Route& route, const std::string& path, Report& report);
// The same for its `websocket`; `path` is the route's.
void validate_websocket(const Config& config, const Route& route, const std::string& path, Report& report);

// Reports every repeated name. T has a `name`; an empty one was reported already.
template <class T>
void validate_names(const std::vector<T>& items, const std::string& section, Report& report) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = 0; j < i && !items[i].name.empty(); ++j) {
      if (items[j].name != items[i].name) continue;
      report.problem(section + "[" + std::to_string(i) + "].name",
                     in_quotes(items[i].name) + " is the name of " + section + "[" + std::to_string(j) +
                         "] already; expected a name of its own");
      break;
    }
  }
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& items) {
  std::vector<std::string> names;
  for (const T& item : items) {
    if (!item.name.empty()) names.push_back(item.name);
  }
  return names;
}

}  // namespace sluice::config
