// The texts of `upstreams.health_check`.
#include <algorithm>

#include "config/syntax.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kFirstStatus = 200, kLastStatus = 599;

}  // namespace

Fault parse_probe_path(const std::string& text, std::string& path) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127 && c != '#'; });
  if (!text.starts_with('/') || !visible) return "is " + in_quotes(text) + "; expected " + kProbePathExpected;
  path = text;
  return {};
}

Fault parse_status_range(const std::string& text, StatusRange& range) {
  const std::size_t dash = text.find('-');
  const std::optional<std::uint64_t> first = parse_whole_number(std::string_view(text).substr(0, dash));
  const std::optional<std::uint64_t> last =
      dash == std::string::npos ? first : parse_whole_number(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first < kFirstStatus || *last > kLastStatus || *first > *last) {
    return "is " + in_quotes(text) + "; expected " + kStatusRangeExpected;
  }
  range = {static_cast<unsigned>(*first), static_cast<unsigned>(*last)};
  return {};
}

}  // namespace sluice::config
