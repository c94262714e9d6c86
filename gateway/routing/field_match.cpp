#include "gateway/routing/field_match.h"

#include <algorithm>

#include "gateway/http/query.h"

#include "gateway/http/forwarded.h"

namespace sluice::routing {
namespace {

bool value_matches(const config::FieldMatch& wanted, std::string_view value) {
  if (wanted.equals) return *wanted.equals == value;
  if (wanted.regex) return wanted.regex->found_in(value);
  return true;  // its presence is all that is asked
}

bool has_parameter(const config::FieldMatch& wanted, std::string_view query) {
  return http::any_parameter(query, [&wanted](std::string_view name, std::string_view value) {
    return name == wanted.name && value_matches(wanted, value);
  });
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
  return first_unmet(wanted, [query](const config::FieldMatch& one) { return has_parameter(one, query); });
}

}  // namespace sluice::routing
