#include "config/regex.h"

#include <re2/re2.h>

#include "config/report.h"

namespace sluice::config {

std::optional<std::string> Regex::parse(const std::string& pattern, Regex& regex) {
  const std::string kExpected = "; expected a regular expression in RE2 syntax";
  if (pattern.empty()) return "is empty, which matches everything; leave it out for that" + kExpected;
  if (pattern.size() > kLongestPattern) {
    return "has " + std::to_string(pattern.size()) + " characters; expected at most " + std::to_string(kLongestPattern);
  }
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  if (!compiled->ok()) return in_quotes(pattern) + ": " + compiled->error() + kExpected;
  regex.pattern_ = pattern;
  regex.compiled_ = std::move(compiled);
  return std::nullopt;
}

bool Regex::found_in(std::string_view text) const noexcept {
  if (!compiled_) return false;
  const re2::StringPiece piece(text.data(), text.size());
  return compiled_->Match(piece, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
}

int Regex::groups() const noexcept { return compiled_ ? compiled_->NumberOfCapturingGroups() : 0; }

std::optional<std::string> Regex::replace_first(std::string_view text, const std::string& replacement) const {
  std::string result(text);
  if (!compiled_ || !re2::RE2::Replace(&result, *compiled_, replacement)) return std::nullopt;
  return result;
}

}  // namespace sluice::config
