// What names, hosts, paths and header fields may look like (RFC 9110, RFC 3986, RFC 1123). Pure functions
// over text; the parse_ functions also bring it into the form that the gateway compares against.
#pragma once

#include <string>
#include <string_view>

#include "config/report.h"
#include "config/upstream_config.h"

namespace sluice::config {

// RFC 9110 5.6.2.
bool is_token(std::string_view text);
// Letters, digits, '-' and '_' in labels of 1 to 63; a name that ends in a number is no name but a mistyped
// address.
bool is_host_name(std::string_view text);
std::string lower_case(std::string_view text);
// Field values and what goes into them: no control characters except the tab (RFC 9110 5.5).
bool has_control_characters(std::string_view text);

// Any text is good.
Fault take_text(const std::string& text, std::string& result);
// The name of a listener, upstream or route: it becomes a metric label and a word in logs.
Fault parse_name(const std::string& text, std::string& name);
// Of a WebSocket.
Fault parse_subprotocol(const std::string& text, std::string& name);
// A host of a route: a name, `*.` and a name, or an IP address; lower case.
Fault parse_match_host(const std::string& text, std::string& host);
// A path as the gateway compares it: after dot segments, duplicate slashes and needless escapes are gone.
Fault parse_match_path(const std::string& text, std::string& path);
// What keeps `path`, which begins with a slash, from being one in that form: `has ...; expected ...`.
Fault check_path(std::string_view path);
Fault parse_method(const std::string& text, std::string& method);
// SNI and certificate name of an upstream.
Fault parse_server_name(const std::string& text, std::string& name);
// `http://host[:port]`, `https://...` or `unix:path`; leaves the weight alone.
Fault parse_endpoint_url(const std::string& text, Endpoint& endpoint);
// What a health check asks for: a path as it is sent, with its query.
Fault parse_probe_path(const std::string& text, std::string& path);
inline constexpr char kProbePathExpected[] = "a path such as /healthz";
// `200-399`, or one status.
Fault parse_status_range(const std::string& text, StatusRange& range);
inline constexpr char kStatusRangeExpected[] = "a status or a range of them from 200 to 599, such as 200-399";
// A part of something, in whole percent.
Fault parse_share(const std::string& text, unsigned& percent);
inline constexpr char kShareExpected[] = "a share from 1% to 100%";
Fault parse_hash_on(const std::string& text, HashOn& hash_on);
inline constexpr char kHashOnExpected[] = "client_ip, header:NAME, cookie:NAME, query:NAME or path";

enum class HeaderDirection { request, response };
// A field that the configuration may set, add or remove: a token, and none that the gateway itself has to
// keep right.
Fault check_header_name(const std::string& name, HeaderDirection direction);

}  // namespace sluice::config
