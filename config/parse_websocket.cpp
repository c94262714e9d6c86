// `websocket` and `filters` of a route.
#include "config/origin.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kMostTunnels = 10'000'000;
constexpr std::uint64_t kMostHandshakes = 1'000'000;  // of one client, per second, minute or hour
constexpr std::uint64_t kMostMessages = 1'000'000;    // of one tunnel, per second, minute or hour; also at once
constexpr std::uint64_t kLargestMessage = 1ull << 40;
constexpr std::uint64_t kSmallestBuffer = 4 << 10, kLargestBuffer = 64 << 20;
constexpr std::uint64_t kShortestInterval = 100;      // ms, of Pings
constexpr std::uint64_t kFirstCloseCode = 1000, kLastCloseCode = 4999;  // RFC 6455 7.4; which of them, validate_drain() knows

const Table<WebSocketDrain>& drain_table() {
  static const Table<WebSocketDrain> table{
      integer("code", &WebSocketDrain::code, {kFirstCloseCode, kLastCloseCode}),
      duration("over", &WebSocketDrain::over),
  };
  return table;
}

const Table<MessageRate>& message_rate_table() {
  static const Table<MessageRate> table{
      required(rate("rate", &MessageRate::rate, {1, kMostMessages})),
      integer("burst", &MessageRate::burst, {1, kMostMessages}),
      word("action", &MessageRate::action, {{"close", MessageRate::Action::close}, {"delay", MessageRate::Action::delay}}),
  };
  return table;
}

const Table<Ping>& ping_table() {
  static const Table<Ping> table{
      duration("interval", &Ping::interval, kShortestInterval),
      duration("timeout", &Ping::timeout, kShortestInterval),
      word("to", &Ping::to, {{"client", Ping::To::client}, {"backend", Ping::To::backend}, {"both", Ping::To::both}}),
  };
  return table;
}

const Table<SlowConsumer>& slow_consumer_table() {
  using Action = SlowConsumer::Action;
  static const Table<SlowConsumer> table{
      size("buffer", &SlowConsumer::buffer, {kSmallestBuffer, kLargestBuffer}),
      word("action", &SlowConsumer::action, {{"pause", Action::pause}, {"drop", Action::drop}, {"close", Action::close}}),
      duration("after", &SlowConsumer::after, 1),
  };
  return table;
}

}  // namespace

const Table<WebSocketRules>& websocket_table() {
  using Rules = WebSocketRules;
  static const Table<Rules> table{
      boolean("enabled", &Rules::enabled),
      word("mode", &Rules::mode, {{"forward", Rules::Mode::forward}, {"terminate", Rules::Mode::terminate}}),
      duration("idle_timeout", &Rules::idle_timeout),
      integer("max_tunnels", &Rules::max_tunnels, {1, kMostTunnels}),
      integer("max_tunnels_per_client", &Rules::max_tunnels_per_client, {1, kMostTunnels}),
      rate("handshake_rate", &Rules::handshake_rate, {1, kMostHandshakes}),
      parsed_list("origins", &Rules::origins, parse_allowed_origin, kOriginsExpected, 1),
      map("drain", &Rules::drain, drain_table()),
      parsed_list("subprotocols", &Rules::subprotocols, parse_subprotocol, "subprotocols such as chat.v2"),
      later<Rules>("backend"),
      size("max_message_size", &Rules::max_message_size, {1, kLargestMessage}),
      size("max_frame_size", &Rules::max_frame_size, {1, kLargestMessage}),
      boolean("observe", &Rules::observe),
      map_or_off("message_rate", &Rules::message_rate, message_rate_table()),
      map_or_off("ping", &Rules::ping, ping_table()),
      duration("max_lifetime", &Rules::max_lifetime),
      boolean("validate_utf8", &Rules::validate_utf8),
      word("compression", &Rules::compression,
           {{"pass", Rules::Compression::pass}, {"off", Rules::Compression::off}, {"offload", Rules::Compression::offload}}),
      map("slow_consumer", &Rules::slow_consumer, slow_consumer_table()),
      later<Rules>("redial", later_infos({"max_wait", "buffer"})),
      word("tap", &Rules::tap, {{"off", Tap::off}, {"headers", Tap::headers}, {"payload", Tap::payload}}),
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
