// The JSON Schema of the configuration file, for editors: draft-07, which yaml-language-server and the others
// take best. Made from the loader's own key tables, with descriptions from the reference.
//
// It is for YAML 1.2, where `off` is a word. It never refuses what the loader takes; of what the loader
// refuses it sees what stands at one key: names, types, ranges, words, and keys that exclude each other. Keys
// that do not work yet are left out.
#pragma once

#include <string>

namespace sluice::config {

std::string schema_text();

}  // namespace sluice::config
