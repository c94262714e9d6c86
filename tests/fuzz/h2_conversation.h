// What the targets over a session of HTTP/2 have in common, whichever side it is: how the input is fed, and what holds for every field.
// Their Owner has feed(), produce(), go_on(), open_streams() and session().
#pragma once

#include <algorithm>
#include <cctype>
#include <string_view>

#include "tests/fuzz/check.h"

namespace sluice::fuzz {

// Choices that depend on the input alone.
class Choices {
 public:
  explicit Choices(std::string_view input) : pieces_(input) {}
  std::size_t operator()(std::size_t below) { return (pieces_.next(8) - 1) % below; }
  std::size_t piece(std::size_t left) { return pieces_.next(left); }

 private:
  Pieces pieces_;
};

// RFC 9113 8.2.1.
inline void check_field(std::string_view name, std::string_view value) {
  FUZZ_CHECK(!name.empty() && name.find(':', 1) == std::string_view::npos);
  FUZZ_CHECK(std::none_of(name.begin(), name.end(), [](unsigned char c) { return std::isupper(c) != 0 || c <= ' ' || c >= 0x7F; }));
  FUZZ_CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
}

// All of it, or piece by piece, and nothing is answered.
template <typename Owner>
void listen(Owner& owner, std::string_view bytes, Choices* split) {
  while (!bytes.empty()) {
    const std::size_t size = split != nullptr ? split->piece(bytes.size()) : bytes.size();
    owner.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  owner.produce(1 << 20);
  FUZZ_CHECK(owner.session().streams() == owner.open_streams());
}

template <typename Owner>
void converse(Owner& owner, std::string_view bytes, Choices& choices) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), choices.piece(bytes.size()) * 16);
    owner.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
    owner.produce(1 + choices(4) * 4000);
    owner.go_on();
  }
  owner.produce(1 << 20);
  FUZZ_CHECK(owner.session().streams() == owner.open_streams());
}

}  // namespace sluice::fuzz
