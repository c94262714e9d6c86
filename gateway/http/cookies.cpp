#include "gateway/http/cookies.h"

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::optional<std::string_view> find_in(std::string_view cookies, std::string_view name) noexcept {
  while (!cookies.empty()) {
    const std::string_view pair = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(pair.size() + 1, cookies.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;  // a value without a name is nobody's
    if (trimmed(pair.substr(0, equals)) == name) return trimmed(pair.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> find_cookie(const Headers& headers, std::string_view name) noexcept {
  for (const Field& field : headers) {
    if (!equals_ignore_case(field.name, "Cookie")) continue;
    if (const auto value = find_in(field.value, name)) return value;
  }
  return std::nullopt;
}

namespace {

std::string without(std::string_view cookies, std::string_view name) {
  std::string rest;
  while (!cookies.empty()) {
    const std::string_view pair = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(pair.size() + 1, cookies.size()));
    const std::size_t equals = pair.find('=');
    if (trimmed(pair).empty()) continue;
    if (equals != std::string_view::npos && trimmed(pair.substr(0, equals)) == name) continue;
    rest.append(rest.empty() ? "" : "; ").append(trimmed(pair));
  }
  return rest;
}

}  // namespace

void remove_cookie(Headers& headers, std::string_view name) {
  if (!find_cookie(headers, name)) return;
  std::vector<std::string> kept;
  for (const Field& field : headers) {
    if (equals_ignore_case(field.name, "Cookie")) kept.push_back(without(field.value, name));
  }
  headers.remove("Cookie");
  for (const std::string& cookies : kept) {
    if (!cookies.empty()) headers.add("Cookie", cookies);
  }
}

}  // namespace sluice::http
