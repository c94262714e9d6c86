#include "config/reference.h"

#include <algorithm>
#include <optional>

namespace sluice::config {
namespace {

constexpr std::string_view kRowStart = "| `";
constexpr std::string_view kCellEnd = " |";

// Takes the next cell off `row`, which begins behind a bar.
std::optional<std::string_view> take_cell(std::string_view& row) {
  const std::size_t end = row.find(kCellEnd);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view cell = row.substr(0, end);
  row.remove_prefix(end + kCellEnd.size());
  if (cell.starts_with(' ')) cell.remove_prefix(1);
  return cell;
}

// Code marks go, of a link the text stays.
std::string plain(std::string_view markdown) {
  std::string text;
  while (!markdown.empty()) {
    const std::size_t middle = markdown.find("](");
    const std::size_t link = markdown.substr(0, middle).rfind('[');
    const std::size_t end = middle == std::string_view::npos ? middle : markdown.find(')', middle);
    if (end == std::string_view::npos || link == std::string_view::npos) break;
    text.append(markdown.substr(0, link)).append(markdown.substr(link + 1, middle - link - 1));
    markdown.remove_prefix(end + 1);
  }
  text.append(markdown);
  std::erase(text, '`');
  return text;
}

}  // namespace

std::map<std::string, KeyReference> key_references(std::string_view document) {
  std::map<std::string, KeyReference> references;
  while (!document.empty()) {
    std::string_view row = document.substr(0, document.find('\n'));
    document.remove_prefix(std::min(row.size() + 1, document.size()));
    if (!row.starts_with(kRowStart)) continue;
    row.remove_prefix(1);
    const auto name = take_cell(row), default_text = take_cell(row), meaning = take_cell(row);
    if (meaning) references[plain(*name)] = {plain(*default_text), plain(*meaning)};
  }
  return references;
}

}  // namespace sluice::config
