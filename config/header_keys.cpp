#include "config/header_keys.h"

#include <algorithm>
#include <set>

namespace sluice::config {

void read_header_values(const Value& value, HeaderDirection direction, std::vector<HeaderTemplate>& headers) {
  const auto entries = value.entries("header names with their values");
  if (!entries) return;
  std::set<std::string> seen;
  for (const Value::Entry& entry : *entries) {
    if (Fault fault = check_header_name(entry.key, direction)) {
      entry.value.problem(*fault);
      continue;
    }
    if (!seen.insert(lower_case(entry.key)).second) {
      entry.value.problem("stands here twice, in another case; expected once");
    }
    auto text = entry.value.text_template("the value of the header");
    if (!text) continue;
    const bool bad = std::any_of(text->begin(), text->end(),
                                 [](const TemplatePart& part) { return has_control_characters(part.text); });
    if (bad) {
      entry.value.problem("has control characters or line ends; expected one line of text");
    } else {
      headers.push_back({entry.key, std::move(*text)});
    }
  }
}

void read_header_names(const Value& value, const KeyInfo& row, HeaderDirection direction,
                       std::vector<std::string>& names) {
  for (const Value& element : read_list(value, row)) {
    const auto name = element.text("a header name");
    if (!name) continue;
    if (Fault fault = check_header_name(*name, direction)) {
      element.problem(*fault);
    } else {
      names.push_back(*name);
    }
  }
}

}  // namespace sluice::config
