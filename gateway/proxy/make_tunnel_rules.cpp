#include "gateway/proxy/make_tunnel_rules.h"

#include "gateway/websocket/tunnel_set.h"
#include "tls/deadline.h"

namespace sluice::proxy {
namespace {

websocket::PingRule ping_rule(const config::Ping& ping) {
  const bool both = ping.to == config::Ping::To::both;
  return {ping.interval, ping.timeout, both || ping.to == config::Ping::To::client, both || ping.to == config::Ping::To::backend};
}

websocket::MessageRateRule message_rate_rule(const config::MessageRate& wanted) {
  using Action = websocket::MessageRateRule::Action;
  websocket::MessageRateRule rule;
  const Clock::duration in = wanted.rate.in;
  rule.each = std::max(in / static_cast<std::int64_t>(wanted.rate.times), Clock::duration(1));
  const std::uint64_t in_a_second = wanted.rate.times * 1000 / static_cast<std::uint64_t>(wanted.rate.in.count());
  rule.burst = static_cast<std::uint32_t>(wanted.burst > 0 ? wanted.burst : std::max<std::uint64_t>(in_a_second, 1));
  rule.action = wanted.action == config::MessageRate::Action::close ? Action::close : Action::delay;
  if (rule.action == Action::delay) rule.slack = 2 * tls::TimerWheel::kTick;
  return rule;
}

websocket::SlowConsumerRule slow_consumer_rule(const config::SlowConsumer& wanted) {
  using Wanted = config::SlowConsumer::Action;
  using Action = websocket::SlowConsumerRule::Action;
  const Action action = wanted.action == Wanted::pause ? Action::pause : wanted.action == Wanted::drop ? Action::drop : Action::close;
  return {static_cast<std::size_t>(wanted.buffer), action, wanted.after};
}

}  // namespace

std::shared_ptr<const websocket::TunnelRules> make_tunnel_rules(const config::WebSocketRules& rules, config::Duration drain) {
  auto made = std::make_shared<websocket::TunnelRules>();
  made->idle_timeout = rules.idle_timeout;
  made->max_lifetime = rules.max_lifetime;
  if (rules.ping) made->ping = ping_rule(*rules.ping);
  if (rules.message_rate) made->message_rate = message_rate_rule(*rules.message_rate);
  made->slow_consumer = slow_consumer_rule(rules.slow_consumer);
  made->leave_code = static_cast<std::uint16_t>(rules.drain.code);
  made->leave_within = rules.drain.over < drain ? rules.drain.over : websocket::TunnelSet::time_to_leave(drain);
  made->tap = rules.tap;
  made->validate_utf8 = rules.validate_utf8;
  made->frames.max_frame = rules.max_frame_size.value_or(websocket::FrameRules::kAny);
  made->frames.max_message = rules.max_message_size.value_or(websocket::FrameRules::kAny);
  made->frames.observe = rules.observe;
  return made;
}

}  // namespace sluice::proxy
