// The parameters of a query, as forms write them (WHATWG URL, application/x-www-form-urlencoded): percent escapes, and '+' for a
// space. What is no escape stays as it is; a parameter without '=' is empty.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice::http {

// `storage` holds the result when it is not as it came.
std::string_view decode_form(std::string_view text, std::string& storage);

// Calls `visit(name, value)` for one after the other until it returns true; whether it did. With or without the '?'.
template <class Visit>
bool any_parameter(std::string_view query, Visit visit) {
  if (query.starts_with('?')) query.remove_prefix(1);
  std::string name_storage, value_storage;
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    const std::size_t name_size = std::min(parameter.find('='), parameter.size());
    const std::string_view value = parameter.substr(std::min(name_size + 1, parameter.size()));
    if (visit(decode_form(parameter.substr(0, name_size), name_storage), decode_form(value, value_storage))) return true;
  }
  return false;
}

}  // namespace sluice::http
