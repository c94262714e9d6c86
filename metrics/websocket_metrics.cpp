#include "metrics/websocket_metrics.h"

#include <string>

namespace sluice::metrics {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(UpgradeResult::count_)> kResults = {
    "accepted",       "rejected_client",       "rejected_route",   "rejected_origin", "rejected_rate",
    "rejected_limit", "rejected_client_limit", "refused_upstream", "failed_upstream", "client_left"};

constexpr std::array<std::string_view, static_cast<std::size_t>(Party::count_)> kParties = {"client", "upstream", "gateway"};

constexpr std::array<std::string_view, static_cast<std::size_t>(Observed::count_)> kObserved = {
    "origins", "handshake_rate", "max_tunnels", "max_tunnels_per_client", "max_lifetime"};

static_assert(!kResults.back().empty() && !kParties.back().empty() && !kObserved.back().empty(), "one for each");

// Close codes with a cell of their own (RFC 6455, 7.4.1, and the registry kept since).
constexpr unsigned kFirstCode = 1000;
constexpr unsigned kLastCode = 1015;
constexpr std::size_t kLibraryCodes = kLastCode - kFirstCode + 1;  // 3000-3999: registered by libraries
constexpr std::size_t kPrivateCodes = kLibraryCodes + 1;           // 4000-4999: an application's own
constexpr std::size_t kOtherCodes = kLibraryCodes + 2;
constexpr std::size_t kNoCode = kLibraryCodes + 3;

std::size_t code_index(unsigned code) noexcept {
  if (code == 0) return kNoCode;
  if (code >= kFirstCode && code <= kLastCode) return code - kFirstCode;
  if (code >= 3000 && code <= 3999) return kLibraryCodes;
  if (code >= 4000 && code <= 4999) return kPrivateCodes;
  return kOtherCodes;
}

std::string code_name(std::size_t index) {
  switch (index) {
    case kLibraryCodes:
      return "3xxx";
    case kPrivateCodes:
      return "4xxx";
    case kOtherCodes:
      return "other";
    case kNoCode:
      return "none";
    default:
      return std::to_string(kFirstCode + index);
  }
}

Counter& control_frames(Registry& registry, unsigned worker, Labels labels, std::string_view opcode) {
  labels.push_back({"opcode", std::string(opcode)});
  return registry.counter(worker, "sluice_websocket_control_frames_total",
                          "WebSocket control frames carried, by route, direction and opcode.", labels);
}

WebSocketMetrics::Direction direction(Registry& registry, unsigned worker, std::string_view route,
                                      std::string_view name) {
  const Labels labels = {{"route", std::string(route)}, {"direction", std::string(name)}};
  return {registry.counter(worker, "sluice_websocket_frames_total",
                           "WebSocket frames carried, data and control, by route and direction.", labels),
          registry.counter(worker, "sluice_websocket_messages_total",
                           "WebSocket messages carried, by route and direction.", labels),
          registry.counter(worker, "sluice_websocket_bytes_total",
                           "Bytes that came through tunnels, as their sender put them on the wire, by route and direction.", labels),
          registry.histogram(worker, "sluice_websocket_message_bytes",
                             "Sizes of WebSocket messages as their sender put them on the wire (mode: terminate: inflated), by route and direction.", kSizeBounds, labels),
          control_frames(registry, worker, labels, "ping"),
          control_frames(registry, worker, labels, "pong"),
          control_frames(registry, worker, labels, "close"),
          registry.counter(worker, "sluice_websocket_pauses_total",
                           "Times that a sender had to wait because its receiver took no more, by route and direction.", labels)};
}

WebSocketMetrics::Peer peer(Registry& registry, unsigned worker, std::string_view route, std::string_view name) {
  const Labels labels = {{"route", std::string(route)}, {"peer", std::string(name)}};
  return {registry.histogram(worker, "sluice_websocket_ping_seconds",
                             "How long answers to the gateway's own Pings took, by route and peer.", kLatencyBounds, labels),
          registry.counter(worker, "sluice_websocket_ping_timeouts_total",
                           "Tunnels that were ended because a peer gave no sign of life after a Ping, by route and peer.", labels)};
}

}  // namespace

std::string_view name_of(UpgradeResult result) noexcept { return kResults[static_cast<std::size_t>(result)]; }

std::string_view name_of(Observed limit) noexcept { return kObserved[static_cast<std::size_t>(limit)]; }
std::string_view name_of(Party party) noexcept { return kParties[static_cast<std::size_t>(party)]; }

WebSocketMetrics::WebSocketMetrics(Registry& registry, unsigned worker, std::string_view route)
    : tunnels_open(registry.gauge(worker, "sluice_websocket_tunnels_open",
                                  "Tunnels that are open now, by route.", {{"route", std::string(route)}})),
      tunnel_seconds(registry.histogram(worker, "sluice_websocket_tunnel_duration_seconds",
                                        "How long tunnels lived that have ended, by route.", kDurationBounds,
                                        {{"route", std::string(route)}})),
      moved(registry.counter(worker, "sluice_websocket_moved_tunnels_total",
                             "Tunnels that were closed so that their client comes back to another endpoint (rebalance), by route.",
                             {{"route", std::string(route)}})),
      compression_memory(registry.gauge(worker, "sluice_websocket_compression_memory_bytes",
                                        "Memory that compressing and decompressing messages holds now (compression: offload), by route.",
                                        {{"route", std::string(route)}})),
      to_client(direction(registry, worker, route, "to_client")),
      to_upstream(direction(registry, worker, route, "to_upstream")),
      dropped(registry.counter(worker, "sluice_websocket_dropped_messages_total",
                               "Messages that a client did not get because it was too slow (slow_consumer: drop), by route.",
                               {{"route", std::string(route)}})),
      client(peer(registry, worker, route, "client")),
      upstream(peer(registry, worker, route, "upstream")),
      handshake_seconds(registry.histogram(worker, "sluice_websocket_handshake_seconds",
                                           "From the head of a WebSocket handshake to its 101 (over HTTP/2 its 200), by route.", kLatencyBounds,
                                           {{"route", std::string(route)}})) {
  static_assert(kNoCode + 1 == kCodes);
  for (std::size_t result = 0; result < upgrades_.size(); ++result) {
    upgrades_[result] = &registry.counter(
        worker, "sluice_websocket_upgrades_total", "Upgrade requests for WebSocket by route and result.",
        {{"route", std::string(route)}, {"result", std::string(kResults[result])}});
  }
  for (std::size_t limit = 0; limit < observed_.size(); ++limit) {
    observed_[limit] = &registry.counter(
        worker, "sluice_websocket_observed_total",
        "WebSockets that a limit would have kept out or ended, had the route not been set to observe, by route and limit.",
        {{"route", std::string(route)}, {"limit", std::string(kObserved[limit])}});
  }
  for (std::size_t initiator = 0; initiator < closes_.size(); ++initiator) {
    for (std::size_t code = 0; code < kCodes; ++code) {
      closes_[initiator][code] = &registry.counter(
          worker, "sluice_websocket_closes_total",
          "Tunnels that ended by route, who began to close, and close code; none: no Close frame.",
          {{"route", std::string(route)},
           {"initiator", std::string(kParties[initiator])},
           {"code", code_name(code)}});
    }
  }
  for (std::size_t sender = 0; sender < violations_.size(); ++sender) {
    violations_[sender][0] = nullptr;
    for (std::size_t rule = 1; rule < violations_[sender].size(); ++rule) {
      violations_[sender][rule] = &registry.counter(
          worker, "sluice_websocket_violations_total",
          "Times that a rule of the protocol or a limit of the route was broken, by route, who did it, and rule.",
          {{"route", std::string(route)},
           {"sender", std::string(kParties[sender])},
           {"rule", std::string(name_of(static_cast<Violation>(rule)))}});
    }
  }
}

void WebSocketMetrics::count_upgrade(UpgradeResult result) noexcept {
  upgrades_[static_cast<std::size_t>(result)]->add();
}

void WebSocketMetrics::count_observed(Observed limit) noexcept { observed_[static_cast<std::size_t>(limit)]->add(); }

void WebSocketMetrics::count_close(Party initiator, unsigned code) noexcept {
  closes_[static_cast<std::size_t>(initiator)][code_index(code)]->add();
}

void WebSocketMetrics::count_violation(Party sender, Violation rule) noexcept {
  violations_[static_cast<std::size_t>(sender)][static_cast<std::size_t>(rule)]->add();
}

}  // namespace sluice::metrics
