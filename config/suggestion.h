// Finds the word that someone probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

// The nearest of `known`, or empty when none is near. Case, `-` for `_` and swapped letters hardly count.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// The end of a message: `did you mean X?`, or else `expected A, B or C`.
std::string hint(std::string_view word, const std::vector<std::string>& known);

}  // namespace sluice::config
