#include "gateway/commands/websocket_limits.h"

#include "config/origin.h"
#include "config/value_text.h"

namespace sluice::commands {
namespace {

using config::duration_text;
using config::WebSocketRules;

std::string text_of(const config::OptionalDuration& value) { return value ? duration_text(*value) : "off"; }
std::string size_or_off(const config::OptionalSize& value) { return value ? config::size_text(*value) : "off"; }
std::string count_or_off(const config::OptionalCount& value) { return value ? std::to_string(*value) : "off"; }

std::string text_of(const std::vector<config::AllowedOrigin>& origins) {
  std::string text;
  for (const config::AllowedOrigin& origin : origins) text += (text.empty() ? "" : ", ") + config::origin_text(origin);
  return text.empty() ? "any" : text;
}

std::string text_of(const std::optional<config::MessageRate>& limit) {
  if (!limit) return "off";
  const std::string burst = limit->burst > 0 ? ", burst " + std::to_string(limit->burst) : "";
  return config::rate_text(limit->rate) + burst + (limit->action == config::MessageRate::Action::close ? ", close" : ", delay");
}

std::string text_of(const std::optional<config::Ping>& ping) {
  using To = config::Ping::To;
  if (!ping) return "off";
  const char* to = ping->to == To::both ? "both" : ping->to == To::client ? "client" : "backend";
  return std::string(to) + ", interval " + duration_text(ping->interval) + ", timeout " + duration_text(ping->timeout);
}

std::string text_of(const config::SlowConsumer& slow) {
  using Action = config::SlowConsumer::Action;
  const std::string buffer = ", buffer " + config::size_text(slow.buffer);
  if (slow.action == Action::pause) return "pause" + buffer;
  return (slow.action == Action::drop ? "drop" : "close") + buffer + ", after " + duration_text(slow.after);
}

std::string mode_text(const WebSocketRules& rules) {
  using Compression = WebSocketRules::Compression;
  const bool terminates = rules.mode == WebSocketRules::Mode::terminate;
  const Compression compression = rules.compression.value_or(terminates ? Compression::off : Compression::pass);
  const char* word = compression == Compression::pass ? "pass" : compression == Compression::off ? "off" : "offload";
  const bool checks_text = terminates || rules.validate_utf8;
  return std::string(terminates ? "terminate" : "forward") + ", compression " + word + (checks_text ? ", text is checked" : "");
}

}  // namespace

WebSocketLimits websocket_limits(const WebSocketRules& rules) {
  WebSocketLimits limits;
  limits.in_force = {{"mode", mode_text(rules)}, {"idle_timeout", text_of(rules.idle_timeout)}, {"ping", text_of(rules.ping)}};
  Pairs& those_that_observe_lifts = rules.observe ? limits.observed : limits.in_force;
  const Pairs others = {
      {"origins", text_of(rules.origins)},
      {"handshake_rate", rules.handshake_rate ? config::rate_text(*rules.handshake_rate) : "off"},
      {"max_tunnels", count_or_off(rules.max_tunnels)},
      {"max_tunnels_per_client", count_or_off(rules.max_tunnels_per_client)},
      {"max_lifetime", text_of(rules.max_lifetime)},
      {"max_message_size", size_or_off(rules.max_message_size)},
      {"max_frame_size", size_or_off(rules.max_frame_size)},
      {"message_rate", text_of(rules.message_rate)},
  };
  those_that_observe_lifts.insert(those_that_observe_lifts.end(), others.begin(), others.end());
  const bool pauses = rules.slow_consumer.action == config::SlowConsumer::Action::pause;  // which cuts nobody
  (pauses ? limits.in_force : those_that_observe_lifts).emplace_back("slow_consumer", text_of(rules.slow_consumer));
  for (Pairs* pairs : {&limits.in_force, &limits.observed}) {
    for (auto& [key, value] : *pairs) key.insert(0, "routes.websocket.");
  }
  return limits;
}

}  // namespace sluice::commands
