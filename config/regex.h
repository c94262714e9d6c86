// A regular expression of the configuration, compiled when it is read. RE2: the time is linear in the text, whatever the pattern,
// so a hostile request costs no more than any other. A value; any thread may match.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace sluice::config {

class Regex {
 public:
  Regex() = default;  // matches nothing

  static constexpr std::size_t kLongestPattern = 4096;
  // Bytes count as characters (Latin-1), so that no byte of a request is outside of `.`.
  // What is wrong with it, if anything.
  static std::optional<std::string> parse(const std::string& pattern, Regex& regex);

  // Somewhere in `text`: anchors are the pattern's business.
  bool found_in(std::string_view text) const noexcept;
  // How many (groups) it has.
  int groups() const noexcept;
  // `text` with its first match replaced, or nothing when there is none. In `replacement`, \0 stands for the match and \1 to \9 for
  // its groups, of which the expression has as many.
  std::optional<std::string> replace_first(std::string_view text, const std::string& replacement) const;
  const std::string& pattern() const noexcept { return pattern_; }
  bool operator==(const Regex& other) const noexcept { return pattern_ == other.pattern_; }

 private:
  std::string pattern_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace sluice::config
