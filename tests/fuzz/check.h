// What every fuzz target needs: a property that ends the run when it does not hold, and places to split the
// input at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace sluice::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Calls `visit(line)` for each line of `text`, without its line end.
template <typename Visitor>
void for_each_line(std::string_view text, Visitor visit) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    visit(line);
  }
}

// Piece sizes that depend on the input alone, so that a crash can be played again.
class Pieces {
 public:
  explicit Pieces(std::string_view input) {
    for (const char c : input) state_ = state_ * 1099511628211U ^ static_cast<unsigned char>(c);
  }
  // 1 to 8, and at times everything that is left.
  std::size_t next(std::size_t left) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    const auto roll = static_cast<std::size_t>(state_ >> 58);
    return roll == 0 ? left : std::min(left, 1 + roll % 8);
  }

 private:
  std::uint64_t state_ = 14695981039346656037U;
};

}  // namespace sluice::fuzz
