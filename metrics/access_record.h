// One line of the access log as plain data, and its two formats. A request logs once, a tunnel when it opens
// and when it closes. The views must live until the line is formatted; formatting allocates nothing but room
// in `out`, and adds no line end. Whatever a client sends, a line stays one line and a field stays in its
// place. Cookies and Authorization have no field here, and secret query parameters of the target and the
// referer are masked (mask_query in log.h), and what is long is cut (kMaxText in log_text.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::metrics {

enum class AccessEvent : std::uint8_t { request, tunnel_open, tunnel_close };

// How long each stage took; absent when it was not reached.
struct StageDurations {
  using Duration = std::optional<std::chrono::microseconds>;
  Duration read_head, connect, send, wait, respond, total;
};

struct TunnelRecord {
  struct Direction {
    std::uint64_t frames = 0;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };
  std::chrono::milliseconds duration{0};
  Direction to_client, to_upstream;
  unsigned close_code = 0;           // 0: no Close frame was seen
  std::string_view close_initiator;  // client, upstream or gateway
  std::string_view close_reason;     // of the gateway's own Close
  std::string_view violation;        // the rule that a frame broke, the first one
  std::string_view violator;         // who sent it: client or upstream
};

// An empty view or zero `attempts` means that there is none, and leaves the field out (JSON) or puts "-"
// (combined).
struct AccessRecord {
  AccessEvent event = AccessEvent::request;
  std::chrono::system_clock::time_point time;
  std::string_view client_ip, listener;
  std::string_view tls_version, sni, client_subject;
  std::string_view method, scheme, host, target, version;  // version: "HTTP/1.1"
  unsigned status = 0;
  std::uint64_t bytes_received = 0;  // bodies
  std::uint64_t bytes_sent = 0;
  std::string_view referer, user_agent, request_id;
  std::string_view socket;  // a tunnel's id
  std::string_view route, upstream, endpoint;
  std::string_view upstream_version;  // as `version`, of what is spoken with the endpoint
  unsigned attempts = 0;     // retries are those after the first
  std::string_view failure;  // the reason's name
  std::string_view observed; // a limit of WebSockets that is not in force and would have been met
  StageDurations stages;
  TunnelRecord tunnel;  // tunnel_close only
};

// A JSON object.
void format_json(const AccessRecord& record, std::string& out);
// Apache's combined format, in UTC; lines about tunnels append key=value fields.
void format_combined(const AccessRecord& record, std::string& out);

}  // namespace sluice::metrics
