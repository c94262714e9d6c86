#include "config/interpolation.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "config/report.h"
#include "config/suggestion.h"

namespace sluice::config {
namespace {

struct VariableName {
  std::string_view name;
  Variable variable;
};

constexpr VariableName kVariables[] = {
    {"client_ip", Variable::client_ip},
    {"host", Variable::host},
    {"path", Variable::path},
    {"query", Variable::query},
    {"request_id", Variable::request_id},
    {"method", Variable::method},
    {"scheme", Variable::scheme},
    {"tls_sni", Variable::tls_sni},
    {"tls_client_subject", Variable::tls_client_subject},
    {"route", Variable::route},
};

std::vector<std::string> variable_names() {
  std::vector<std::string> names;
  for (const VariableName& known : kVariables) names.emplace_back(known.name);
  return names;
}

bool is_environment_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), fits);
}

void append_literal(Template& result, std::string_view text) {
  if (text.empty()) return;
  if (result.empty() || result.back().variable) result.push_back({});
  result.back().text += text;
}

// `expression` is what stands between the braces.
Fault append_environment(Template& result, const std::string& expression) {
  const std::size_t mark = expression.find(":-");
  const std::string name = expression.substr(0, mark);
  const char* value = std::getenv(name.c_str());
  if (mark != std::string::npos && (value == nullptr || *value == '\0')) {
    append_literal(result, std::string_view(expression).substr(mark + 2));
    return std::nullopt;
  }
  if (value == nullptr) {
    return "${" + name + "} is not set in the environment; expected it to be set, or a default: ${" + name +
           ":-...}";
  }
  append_literal(result, value);
  return std::nullopt;
}

Fault append_expression(Template& result, const std::string& expression) {
  if (is_environment_name(expression.substr(0, expression.find(":-")))) {
    return append_environment(result, expression);
  }
  for (const VariableName& known : kVariables) {
    if (known.name != expression) continue;
    result.push_back({"", known.variable});
    return std::nullopt;
  }
  return "${" + expression + "} is neither an environment variable (upper case) nor a request variable; " +
         hint(expression, variable_names());
}

}  // namespace

std::vector<std::string> interpolate(const std::string& raw, Template& result) {
  std::vector<std::string> faults;
  std::size_t position = 0;
  while (position < raw.size()) {
    const std::size_t start = std::min(raw.find("${", position), raw.size());
    append_literal(result, std::string_view(raw).substr(position, start - position));
    if (start == raw.size()) break;
    const std::size_t end = raw.find('}', start);
    if (end == std::string::npos) {
      faults.push_back("${ has no closing brace; expected ${NAME}");
      break;
    }
    if (Fault fault = append_expression(result, raw.substr(start + 2, end - start - 2)))
      faults.push_back(*fault);
    position = end + 1;
  }
  return faults;
}

std::string name_of(Variable variable) {
  const auto found =
      std::find_if(std::begin(kVariables), std::end(kVariables),
                   [variable](const VariableName& known) { return known.variable == variable; });
  return std::string(found->name);
}

}  // namespace sluice::config
