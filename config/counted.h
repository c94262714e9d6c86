// A number and what it counts, for messages: `1 route`, `2 routes`.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::config {

inline std::string counted(std::uint64_t number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

}  // namespace sluice::config
