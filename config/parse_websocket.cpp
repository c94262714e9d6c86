// `websocket` and `filters` of a route.
#include "config/origin.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kMostTunnels = 10'000'000;
constexpr std::uint64_t kMostHandshakes = 1'000'000;  // of one client, per second, minute or hour
constexpr std::uint64_t kLargestMessage = 1ull << 40;
constexpr std::uint64_t kFirstCloseCode = 1000, kLastCloseCode = 4999;  // RFC 6455 7.4; which of them, validate_drain() knows

const Table<WebSocketDrain>& drain_table() {
  static const Table<WebSocketDrain> table{
      integer("code", &WebSocketDrain::code, {kFirstCloseCode, kLastCloseCode}),
      duration("over", &WebSocketDrain::over),
  };
  return table;
}

}  // namespace

const Table<WebSocketRules>& websocket_table() {
  using Rules = WebSocketRules;
  static const Table<Rules> table{
      boolean("enabled", &Rules::enabled),
      fixed_word<Rules>("mode", {"forward"}, {"terminate"}),
      duration("idle_timeout", &Rules::idle_timeout),
      integer("max_tunnels", &Rules::max_tunnels, {1, kMostTunnels}),
      integer("max_tunnels_per_client", &Rules::max_tunnels_per_client, {1, kMostTunnels}),
      rate("handshake_rate", &Rules::handshake_rate, {1, kMostHandshakes}),
      parsed_list("origins", &Rules::origins, parse_allowed_origin, kOriginsExpected, 1),
      map("drain", &Rules::drain, drain_table()),
      later<Rules>("subprotocols"),
      later<Rules>("backend"),
      size("max_message_size", &Rules::max_message_size, {1, kLargestMessage}),
      size("max_frame_size", &Rules::max_frame_size, {1, kLargestMessage}),
      boolean("observe", &Rules::observe),
      later<Rules>("message_rate", later_infos({"rate", "burst", "action"})),
      later<Rules>("ping", later_infos({"interval", "timeout", "to"})),
      later<Rules>("max_lifetime"),
      later<Rules>("validate_utf8"),
      later<Rules>("compression"),
      later<Rules>("slow_consumer", later_infos({"buffer", "action", "after"})),
      later<Rules>("redial", later_infos({"max_wait", "buffer"})),
      later<Rules>("tap"),
      later<Rules>("channels", later_infos({"name", "from"})),
  };
  return table;
}

KeyInfo filters_info() {
  std::vector<KeyInfo> jwt = later_infos(
      {"jwks", "issuer", "audience", "leeway", "from", "require", "claims_to_headers", "close_on_expiry"});
  return later_info(
      "filters",
      {later_info("jwt", std::move(jwt)), later_info("basic_auth", later_infos({"users", "realm"})),
       later_info("forward_auth", later_infos({"url", "copy_headers", "recheck"})), later_info("ip_allow"),
       later_info("ip_deny"),
       later_info("cors", later_infos({"origins", "methods", "headers", "credentials", "max_age"})),
       later_info("rate_limit", later_infos({"key", "rate", "burst", "store", "on_store_failure"})),
       later_info("compress", later_infos({"types", "min_size", "algorithms"}))});
}

}  // namespace sluice::config
