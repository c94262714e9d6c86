// `routes`, except their `rewrite`, `error_pages`, `websocket` and `filters`.
#include "config/header_keys.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kLargestBody = 1ull << 50;
constexpr std::uint64_t kHeaviestSide = 1'000'000;  // so that one in a million can be asked for

Fault parse_header_name(const std::string& text, std::string& name) {
  if (!is_token(text)) return in_quotes(text) + " is not the name of a header; expected one such as X-Beta";
  name = text;
  return std::nullopt;
}

Fault parse_parameter_name(const std::string& text, std::string& name) {
  if (text.empty()) return "is empty; expected the name of a query parameter";
  name = text;
  return std::nullopt;
}

constexpr char kFieldMatches[] = "maps with name and one of equals, regex and present";

Table<FieldMatch> make_field_table(TextParser<std::string> parse_field_name) {
  return {
      required(parsed("name", &FieldMatch::name, parse_field_name, "a name")),
      parsed("equals", &FieldMatch::equals, take_text, "the whole value"),
      parsed("regex", &FieldMatch::regex, Regex::parse, "a regular expression"),
      boolean("present", &FieldMatch::present),
  };
}

const Table<FieldMatch>& header_match_table() {
  static const Table<FieldMatch> table = make_field_table(parse_header_name);
  return table;
}

const Table<FieldMatch>& query_match_table() {
  static const Table<FieldMatch> table = make_field_table(parse_parameter_name);
  return table;
}

const Table<RouteMatch>& match_table() {
  static const Table<RouteMatch> table{
      parsed_list("hosts", &RouteMatch::hosts, parse_match_host, "host names such as chat.example.com"),
      parsed("path", &RouteMatch::path, parse_match_path, "a path such as /ws"),
      parsed("path_prefix", &RouteMatch::path_prefix, parse_match_path, "a path such as /ws"),
      parsed("path_regex", &RouteMatch::path_regex, Regex::parse, "a regular expression such as '^/v[0-9]+/'"),
      parsed_list("methods", &RouteMatch::methods, parse_method, "methods such as GET"),
      exactly_one(map_list("headers", &RouteMatch::headers, header_match_table(), kFieldMatches, 1),
                  {"equals", "regex", "present"}),
      exactly_one(map_list("query", &RouteMatch::query, query_match_table(), kFieldMatches, 1),
                  {"equals", "regex", "present"}),
      boolean("websocket", &RouteMatch::websocket),
      parsed_list("subprotocols", &RouteMatch::subprotocols, parse_subprotocol, "subprotocols such as chat.v2"),
      parsed_list("listeners", &RouteMatch::listeners, parse_name, "names of listeners"),
  };
  return table;
}

Fault check_location(const Template& to) {
  const std::string& start = to.front().text;
  const auto starts_with = [&start](const char* prefix) { return start.rfind(prefix, 0) == 0; };
  if (!to.front().variable && !starts_with("/") && !starts_with("http://") && !starts_with("https://")) {
    return in_quotes(start) + " does not start with http://, https:// or /; expected a URL or a path";
  }
  // The path has its slash already: two of them begin a host (RFC 3986 4.2).
  if (start == "/" && to.size() > 1 && to[1].variable == Variable::path) {
    return Fault("\"/${path}\" names another host; expected \"${path}\", which begins with a slash");
  }
  for (const TemplatePart& part : to) {
    if (has_control_characters(part.text) || part.text.find_first_of(" \t") != std::string::npos) {
      return in_quotes(part.text) + " has spaces or control characters; expected them percent-encoded";
    }
  }
  return std::nullopt;
}

Key<Redirect> redirect_to_key() {
  return {{.name = "to", .expected = "a URL such as https://${host}${path}", .required = true},
          [](const Value& value, const KeyInfo& row, Redirect& redirect) {
            auto to = value.text_template(row.expected);
            if (!to) return;
            if (to->empty()) return value.problem("is empty; expected " + row.expected);
            if (Fault fault = check_location(*to)) return value.problem(*fault);
            redirect.to = std::move(*to);
          }};
}

const Table<Redirect>& redirect_table() {
  static const Table<Redirect> table{
      redirect_to_key(),
      word("status", &Redirect::status,
           {{"301", 301}, {"302", 302}, {"303", 303}, {"307", 307}, {"308", 308}}),
  };
  return table;
}

const Table<Respond>& respond_table() {
  static const Table<Respond> table{
      integer("status", &Respond::status, {200, 599}),
      parsed("body", &Respond::body, take_text, "text"),
      set_headers_key("headers", &Respond::headers, HeaderDirection::response),
  };
  return table;
}

const Table<SplitSide>& split_side_table() {
  static const Table<SplitSide> table{
      required(parsed("upstream", &SplitSide::upstream, parse_name, "the name of an upstream")),
      integer("weight", &SplitSide::weight, {0, kHeaviestSide}),
  };
  return table;
}

const Table<Split>& split_table() {
  static const Table<Split> table{
      required(map_list("to", &Split::to, split_side_table(), "maps with upstream and weight", 1)),
      boolean("sticky", &Split::sticky),
  };
  return table;
}

Table<HeaderOperations> make_header_table(HeaderDirection direction) {
  return {
      set_headers_key("set", &HeaderOperations::set, direction),
      set_headers_key("add", &HeaderOperations::add, direction),
      remove_headers_key("remove", &HeaderOperations::remove, direction),
  };
}

const Table<HeaderOperations>& request_headers_table() {
  static const Table<HeaderOperations> table = make_header_table(HeaderDirection::request);
  return table;
}

const Table<HeaderOperations>& response_headers_table() {
  static const Table<HeaderOperations> table = make_header_table(HeaderDirection::response);
  return table;
}

const Table<Mirror>& mirror_table() {
  static const Table<Mirror> table{
      required(parsed("upstream", &Mirror::upstream, parse_name, "the name of an upstream")),
      parsed("share", &Mirror::share, parse_share, kShareExpected),
  };
  return table;
}

const Table<RouteTimeouts>& route_timeouts_table() {
  static const Table<RouteTimeouts> table{
      duration("response_head", &RouteTimeouts::response_head),
      duration("response_body_idle", &RouteTimeouts::response_body_idle),
  };
  return table;
}

}  // namespace

const Table<Route>& route_table() {
  static const Table<Route> table{
      name_key<Route>(),
      at_most_one(map("match", &Route::match, match_table()), {"path", "path_prefix", "path_regex"}),
      parsed("upstream", &Route::upstream, parse_name, "the name of an upstream"),
      map("split", &Route::split, split_table()),
      map("redirect", &Route::redirect, redirect_table()),
      map("respond", &Route::respond, respond_table()),
      at_most_one(map("rewrite", &Route::rewrite, rewrite_table()), {"strip_prefix", "replace_prefix", "path_regex"}),
      map("request_headers", &Route::request_headers, request_headers_table()),
      map("response_headers", &Route::response_headers, response_headers_table()),
      map("timeouts", &Route::timeouts, route_timeouts_table()),
      size("max_request_body", &Route::max_request_body, {0, kLargestBody}),
      map("mirror", &Route::mirror, mirror_table()),
      error_pages_key(),
      boolean("maintenance", &Route::maintenance),
      map("websocket", &Route::websocket, websocket_table()),
      {filters_info(), {}},
  };
  return table;
}

}  // namespace sluice::config
