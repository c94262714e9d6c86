#include "gateway/routing/field_match.h"

#include <algorithm>
#include <string>

#include "gateway/http/forwarded.h"

namespace sluice::routing {
namespace {

bool value_matches(const config::FieldMatch& wanted, std::string_view value) {
  if (wanted.equals) return *wanted.equals == value;
  if (wanted.regex) return wanted.regex->found_in(value);
  return true;  // its presence is all that is asked
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What is no escape stays as it is.
std::string_view decoded(std::string_view text, std::string& storage) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  storage.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (escape) {
      storage.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      storage.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return storage;
}

bool has_parameter(const config::FieldMatch& wanted, std::string_view query) {
  std::string name_storage, value_storage;
  while (!query.empty()) {
    std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    const std::size_t name_size = std::min(parameter.find('='), parameter.size());
    if (decoded(parameter.substr(0, name_size), name_storage) != wanted.name) continue;
    parameter.remove_prefix(std::min(name_size + 1, parameter.size()));
    if (value_matches(wanted, decoded(parameter, value_storage))) return true;
  }
  return false;
}

template <class IsMet>
const config::FieldMatch* first_unmet(const std::vector<config::FieldMatch>& wanted, IsMet is_met) {
  const auto found = std::find_if_not(wanted.begin(), wanted.end(), is_met);
  return found == wanted.end() ? nullptr : &*found;
}

}  // namespace

const config::FieldMatch* unmet_header(const std::vector<config::FieldMatch>& wanted,
                                       const http::Headers* headers, bool peer_trusted) {
  return first_unmet(wanted, [headers, peer_trusted](const config::FieldMatch& one) {
    return headers != nullptr && (peer_trusted || !http::is_forwarding_field(one.name)) &&
           !headers->has_token("Connection", one.name) &&
           std::any_of(headers->begin(), headers->end(), [&one](const http::Field& field) {
             return http::equals_ignore_case(field.name, one.name) && value_matches(one, field.value);
           });
  });
}

const config::FieldMatch* unmet_parameter(const std::vector<config::FieldMatch>& wanted,
                                          std::string_view query) {
  if (query.starts_with('?')) query.remove_prefix(1);
  return first_unmet(wanted, [query](const config::FieldMatch& one) { return has_parameter(one, query); });
}

}  // namespace sluice::routing
