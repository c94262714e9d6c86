// Rows for keys whose own keys are header names, chosen by the user.
#pragma once

#include <string>
#include <vector>

#include "config/key_table.h"
#include "config/syntax.h"

namespace sluice::config {

void read_header_values(const Value& value, HeaderDirection direction, std::vector<HeaderTemplate>& headers);
void read_header_names(const Value& value, const KeyInfo& row, HeaderDirection direction,
                       std::vector<std::string>& names);

// Name and value, with request variables in the values.
template <class T>
Key<T> set_headers_key(std::string name, std::vector<HeaderTemplate> T::*member, HeaderDirection direction) {
  return {map_info(std::move(name), {}), [member, direction](const Value& value, const KeyInfo&, T& result) {
            read_header_values(value, direction, result.*member);
          }};
}

template <class T>
Key<T> remove_headers_key(std::string name, std::vector<std::string> T::*member, HeaderDirection direction) {
  return {list_info(std::move(name), "header names", 0),
          [member, direction](const Value& value, const KeyInfo& row, T& result) {
            read_header_names(value, row, direction, result.*member);
          }};
}

}  // namespace sluice::config
