// Durations, sizes and rates as they are written in the file, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/values.h"

namespace sluice::config {

// Digits only, without overflow.
std::optional<std::uint64_t> parse_whole_number(std::string_view text);
// `500ms`, `5s`, `1m30s`, `1h`: units from large to small, each at most once. Nothing over kLongestDuration.
std::optional<Duration> parse_duration(std::string_view text);
// `64KiB`, `10MB`, `123`: KiB, MiB, GiB and TiB by 1024, KB, MB, GB and TB by 1000, B or no unit for bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

// `10/s`, `600/m`, `5/h`: a whole number, not 0.
std::optional<Rate> parse_rate(std::string_view text);

// `50%`: a whole number from 1 to 100.
std::optional<unsigned> parse_percent(std::string_view text);

// What they look like, as regular expressions for a whole text; the range is not in them.
std::string duration_pattern();
std::string size_pattern();
std::string rate_pattern();

std::string duration_text(Duration duration);
std::string size_text(std::uint64_t bytes);
std::string rate_text(const Rate& rate);

// A year: far enough for any timeout, near enough that adding it to a clock never overflows.
inline constexpr Duration kLongestDuration = std::chrono::hours(24 * 365);

}  // namespace sluice::config
