#include "config/value_text.h"

#include <charconv>
#include <limits>
#include <utility>

namespace sluice::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// From large to small; parse_duration relies on it.
constexpr Unit kDurationUnits[] = {{"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};

constexpr Unit kSizeUnits[] = {
    {"TiB", 1ull << 40},
    {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},
    {"KiB", 1ull << 10},
    {"TB", 1000'000'000'000},
    {"GB", 1000'000'000},
    {"MB", 1000'000},
    {"KB", 1000},
    {"B", 1},
    {"", 1},
};

constexpr Unit kRateUnits[] = {{"/s", 1000}, {"/m", 60 * 1000}, {"/h", 3600 * 1000}};

// The number at the front and what comes after it.
std::optional<std::pair<std::uint64_t, std::string_view>> split_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

std::string_view leading_letters(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && !(text[length] >= '0' && text[length] <= '9')) ++length;
  return text.substr(0, length);
}

}  // namespace

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  const auto split = split_number(text);
  if (!split || !split->second.empty()) return std::nullopt;
  return split->first;
}

std::optional<unsigned> parse_percent(std::string_view text) {
  const auto split = split_number(text);
  if (!split || split->second != "%" || split->first < 1 || split->first > 100) return std::nullopt;
  return static_cast<unsigned>(split->first);
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto limit = static_cast<std::uint64_t>(kLongestDuration.count());
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  do {
    const auto split = split_number(text);
    if (!split) return std::nullopt;
    const std::string_view name = leading_letters(split->second);
    while (next_unit < std::size(kDurationUnits) && kDurationUnits[next_unit].name != name) ++next_unit;
    if (next_unit == std::size(kDurationUnits)) return std::nullopt;
    const std::uint64_t factor = kDurationUnits[next_unit++].factor;
    if (split->first > limit / factor) return std::nullopt;
    total += split->first * factor;
    text = split->second.substr(name.size());
  } while (!text.empty());
  if (total > limit) return std::nullopt;
  return Duration(total);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto split = split_number(text);
  if (!split) return std::nullopt;
  for (const Unit& unit : kSizeUnits) {
    if (unit.name != split->second) continue;
    if (split->first > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return split->first * unit.factor;
  }
  return std::nullopt;
}

std::optional<Rate> parse_rate(std::string_view text) {
  const auto split = split_number(text);
  if (!split || split->first == 0) return std::nullopt;
  for (const Unit& unit : kRateUnits) {
    if (unit.name == split->second) return Rate{split->first, Duration(unit.factor)};
  }
  return std::nullopt;
}

std::string duration_pattern() {
  std::string pattern = "(?=.)";  // one of the parts at least
  for (const Unit& unit : kDurationUnits) pattern += "([0-9]+" + std::string(unit.name) + ")?";
  return pattern;
}

std::string size_pattern() {
  std::string units;
  for (const Unit& unit : kSizeUnits) units += (units.empty() ? "" : "|") + std::string(unit.name);
  return "[0-9]+(" + units + ")";
}

std::string rate_pattern() {
  std::string units;
  for (const Unit& unit : kRateUnits) units += (units.empty() ? "" : "|") + std::string(unit.name);
  return "[0-9]+(" + units + ")";
}

std::string duration_text(Duration duration) {
  auto rest = static_cast<std::uint64_t>(duration.count());
  std::string text;
  for (const Unit& unit : kDurationUnits) {
    if (rest < unit.factor) continue;
    text += std::to_string(rest / unit.factor) + std::string(unit.name);
    rest %= unit.factor;
  }
  return text.empty() ? "0s" : text;
}

std::string size_text(std::uint64_t bytes) {
  for (const Unit& unit : kSizeUnits) {
    if (bytes >= unit.factor && bytes % unit.factor == 0 && unit.name.size() == 3) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

std::string rate_text(const Rate& rate) {
  for (const Unit& unit : kRateUnits) {
    if (static_cast<std::uint64_t>(rate.in.count()) == unit.factor) return std::to_string(rate.times) + std::string(unit.name);
  }
  return {};
}

}  // namespace sluice::config
