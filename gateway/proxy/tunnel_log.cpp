#include "gateway/proxy/tunnel_log.h"

#include "gateway/proxy/access_log.h"
#include "metrics/log.h"
#include "metrics/log_text.h"

namespace sluice::proxy {

// The texts that the record's views point into: no more of each than the closing line shows, for a tunnel
// lives for days and its client chose how long they are. Secrets of the query are not kept at all.
struct TunnelLog::Line {
  std::string client_ip, listener, tls_version, sni, client_subject, method, host, target, user_agent, request_id, route, upstream, endpoint;
  metrics::AccessRecord record;

  explicit Line(const metrics::AccessRecord& seen) : record(seen) {
    keep(client_ip, record.client_ip);
    keep(listener, record.listener);
    keep(tls_version, record.tls_version);
    keep(sni, record.sni);
    keep(client_subject, record.client_subject);
    keep(method, record.method);
    keep(host, record.host);
    target = metrics::looked_at(metrics::mask_query(record.target), metrics::kMaxTarget);
    record.target = target;
    keep(user_agent, record.user_agent);
    keep(request_id, record.request_id);
    keep(route, record.route);
    keep(upstream, record.upstream);
    keep(endpoint, record.endpoint);
    record.referer = {};
    record.failure = {};
  }

 private:
  static void keep(std::string& copy, std::string_view& view) {
    copy = metrics::looked_at(view, metrics::kMaxText);
    view = copy;
  }
};

TunnelLog::TunnelLog(const ClientExchange& exchange, upstream::InFlight in_flight, TunnelPlace place)
    : in_flight_(std::move(in_flight)), place_(std::move(place)) {
  if (metrics::access_log() == nullptr) return;
  line_ = std::make_unique<Line>(describe(exchange, exchange.generation->config().routes));
  line_->record.event = metrics::AccessEvent::tunnel_open;
  write_access_line(line_->record);
}

TunnelLog::~TunnelLog() = default;

void TunnelLog::tunnel_ended(const websocket::TunnelSummary& summary) {
  if (!line_) return;
  metrics::AccessRecord& record = line_->record;
  record.event = metrics::AccessEvent::tunnel_close;
  record.time = std::chrono::system_clock::now();
  record.stages = {};
  record.tunnel.duration = summary.duration;
  record.tunnel.to_client = {summary.to_client.frames, summary.to_client.messages, summary.to_client.bytes};
  record.tunnel.to_upstream = {summary.to_upstream.frames, summary.to_upstream.messages, summary.to_upstream.bytes};
  record.tunnel.close_code = summary.close_code;
  record.tunnel.close_initiator = name_of(summary.close_initiator);
  if (summary.outlived && record.observed.empty()) record.observed = name_of(metrics::Observed::max_lifetime);
  if (summary.violation != metrics::Violation::none) {
    record.tunnel.violation = name_of(summary.violation);
    record.tunnel.violator = name_of(summary.violator);
  }
  const std::string failure = summary.failure ? summary.failure.message() : std::string();
  record.failure = failure;
  write_access_line(record);
  record.failure = {};
}

}  // namespace sluice::proxy
