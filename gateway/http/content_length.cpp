#include "gateway/http/content_length.h"

#include <limits>

#include "gateway/http/characters.h"

namespace sluice::http {

std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept {
  // Nineteen digits cannot overflow 64 bits.
  if (text.empty() || text.size() > 19 || !all_of(kDigit, text)) return std::nullopt;
  std::uint64_t length = 0;
  for (const char digit : text) length = length * 10 + static_cast<std::uint64_t>(digit - '0');
  if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return length;
}

}  // namespace sluice::http
