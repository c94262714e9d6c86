// `routes[].rewrite`.
#include "config/address.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

Fault parse_stripped_prefix(const std::string& text, std::string& prefix) {
  if (text == "/")
    return Fault("is /, and stripping it changes nothing; expected a longer prefix such as /ws");
  return parse_match_path(text, prefix);
}

Fault parse_host_field(const std::string& text, std::string& host) {
  const std::string wrong =
      in_quotes(text) +
      " is no Host; expected a name such as app.internal, with a port if the upstream wants one";
  std::string name, port;
  if (!split_host_port(text, name, port)) return wrong;
  std::uint8_t bytes[16];
  bool v6 = false;
  const bool is_ip = parse_ip(name, bytes, v6);
  const bool bracketed = text[0] == '[';
  if (is_ip ? v6 != bracketed : bracketed || !is_host_name(name)) return wrong;
  const auto number = parse_whole_number(port);
  if (!port.empty() && (!number || *number < 1 || *number > 65535)) return wrong;
  host = lower_case(text);
  return std::nullopt;
}

const Table<PrefixReplacement>& prefix_table() {
  static const Table<PrefixReplacement> table{
      required(parsed("from", &PrefixReplacement::from, parse_match_path, "a path such as /a")),
      required(parsed("to", &PrefixReplacement::to, parse_match_path, "a path such as /b")),
  };
  return table;
}

const Table<PathReplacement>& regex_table() {
  static const Table<PathReplacement> table{
      required(
          parsed("match", &PathReplacement::match, Regex::parse, "a regular expression such as '^/v1/(.*)'")),
      required(parsed("to", &PathReplacement::to, take_text,
                      "a path with \\1 for the first group, such as '/\\1'")),
  };
  return table;
}

}  // namespace

const Table<Rewrite>& rewrite_table() {
  static const Table<Rewrite> table{
      parsed("strip_prefix", &Rewrite::strip_prefix, parse_stripped_prefix, "a path such as /ws"),
      map("replace_prefix", &Rewrite::replace_prefix, prefix_table()),
      map("path_regex", &Rewrite::path_regex, regex_table()),
      parsed("host", &Rewrite::host, parse_host_field, "a name such as app.internal"),
  };
  return table;
}

}  // namespace sluice::config
