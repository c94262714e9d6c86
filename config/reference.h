// What docs/configuration.md says about the keys, which is part of the binary. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace sluice::config {

extern const char kReferenceText[];  // the whole document

// One row of its tables, without Markdown.
struct KeyReference {
  std::string default_text;  // a value, or words such as `required`, `absent` and `the system's`
  std::string meaning;
};

// By the path of the key: `listeners.tls.certificates`.
std::map<std::string, KeyReference> key_references(std::string_view document);

}  // namespace sluice::config
