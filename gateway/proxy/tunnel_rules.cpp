#include "gateway/proxy/tunnel_rules.h"

#include "gateway/websocket/tunnel_set.h"

namespace sluice::proxy {

std::shared_ptr<const websocket::TunnelRules> tunnel_rules(const config::WebSocketRules& rules, config::Duration drain) {
  auto made = std::make_shared<websocket::TunnelRules>();
  made->idle_timeout = rules.idle_timeout;
  made->leave_code = static_cast<std::uint16_t>(rules.drain.code);
  made->leave_within = rules.drain.over < drain ? rules.drain.over : websocket::TunnelSet::time_to_leave(drain);
  made->frames.max_frame = rules.max_frame_size.value_or(websocket::FrameRules::kAny);
  made->frames.max_message = rules.max_message_size.value_or(websocket::FrameRules::kAny);
  made->frames.observe = rules.observe;
  return made;
}

}  // namespace sluice::proxy
