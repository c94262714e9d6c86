#include "gateway/http2/priority.h"

namespace sluice::http2 {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// One member of the dictionary (RFC 8941 3.2), without its parameters.
void read_member(std::string_view member, Priority& priority) noexcept {
  member = trimmed(member.substr(0, member.find(';')));
  if (member.size() == 3 && member.starts_with("u=") && member[2] >= '0' && member[2] <= '7') {
    priority.urgency = static_cast<std::uint8_t>(member[2] - '0');
  } else if (member == "i" || member == "i=?1") {
    priority.incremental = true;
  } else if (member == "i=?0") {
    priority.incremental = false;
  }
}

}  // namespace

Priority parse_priority(std::string_view text) noexcept {
  Priority priority;
  while (!text.empty()) {
    const std::size_t end = text.find(',');
    read_member(text.substr(0, end), priority);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return priority;
}

void PriorityUpdates::add(StreamId id, Priority priority) noexcept {
  ids_[place_of(id)] = id;
  priorities_[place_of(id)] = priority;
}

std::optional<Priority> PriorityUpdates::find(StreamId id) const noexcept {
  if (id == 0 || ids_[place_of(id)] != id) return std::nullopt;
  return priorities_[place_of(id)];
}

}  // namespace sluice::http2
