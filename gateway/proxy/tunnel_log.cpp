#include "gateway/proxy/tunnel_log.h"

#include "gateway/proxy/access_log.h"
#include "metrics/log.h"
#include "metrics/log_text.h"

namespace sluice::proxy {

using websocket::SocketIdentity;
using Text = SocketIdentity::Text;

namespace {

struct Field {
  Text text;
  std::string_view metrics::AccessRecord::*member;
};
constexpr Field kFields[] = {
    {Text::client_ip, &metrics::AccessRecord::client_ip}, {Text::listener, &metrics::AccessRecord::listener},
    {Text::tls_version, &metrics::AccessRecord::tls_version}, {Text::sni, &metrics::AccessRecord::sni},
    {Text::client_subject, &metrics::AccessRecord::client_subject}, {Text::method, &metrics::AccessRecord::method},
    {Text::host, &metrics::AccessRecord::host}, {Text::target, &metrics::AccessRecord::target},
    {Text::version, &metrics::AccessRecord::version},
    {Text::user_agent, &metrics::AccessRecord::user_agent}, {Text::request_id, &metrics::AccessRecord::request_id},
    {Text::route, &metrics::AccessRecord::route}, {Text::upstream, &metrics::AccessRecord::upstream},
    {Text::endpoint, &metrics::AccessRecord::endpoint}, {Text::upstream_version, &metrics::AccessRecord::upstream_version},
};

// No more of each than the closing line shows, for a tunnel lives for days and its client chose how long they are. Secrets of the
// query are not kept at all.
std::shared_ptr<const SocketIdentity> identity_of(const metrics::AccessRecord& record, std::string_view subprotocol) {
  const std::string target = metrics::mask_query(record.target);
  SocketIdentity::Texts texts;
  for (const Field& field : kFields) {
    texts[static_cast<std::size_t>(field.text)] = metrics::looked_at(record.*field.member, metrics::kMaxText);
  }
  texts[static_cast<std::size_t>(Text::target)] = metrics::looked_at(target, metrics::kMaxTarget);
  texts[static_cast<std::size_t>(Text::subprotocol)] = metrics::looked_at(subprotocol, metrics::kMaxText);
  return std::make_shared<const SocketIdentity>(websocket::SocketId::make(), std::chrono::system_clock::now(), texts);
}

}  // namespace

TunnelLog::TunnelLog(const ClientExchange& exchange, std::string_view subprotocol, upstream::InFlight in_flight, TunnelPlace place)
    : in_flight_(std::move(in_flight)), place_(std::move(place)) {
  metrics::AccessRecord record = describe(exchange, exchange.generation->config().routes);
  identity_ = identity_of(record, subprotocol);
  scheme_ = record.scheme;
  observed_ = record.observed;
  bytes_received_ = record.bytes_received;
  bytes_sent_ = record.bytes_sent;
  status_ = record.status;
  attempts_ = record.attempts;
  if (metrics::access_log() == nullptr) return;
  const std::string id = identity_->id().text();
  record.event = metrics::AccessEvent::tunnel_open;
  record.socket = id;
  record.referer = {};
  record.failure = {};
  write_access_line(record);
}

void TunnelLog::tunnel_ended(const websocket::TunnelSummary& summary) {
  if (metrics::access_log() == nullptr) return;
  const std::string id = identity_->id().text();
  metrics::AccessRecord record;
  for (const Field& field : kFields) record.*field.member = (*identity_)[field.text];
  record.socket = id;
  record.event = metrics::AccessEvent::tunnel_close;
  record.time = std::chrono::system_clock::now();
  record.scheme = scheme_;
  record.observed = observed_;
  record.bytes_received = bytes_received_;
  record.bytes_sent = bytes_sent_;
  record.status = status_;
  record.attempts = attempts_;
  record.tunnel.duration = summary.duration;
  record.tunnel.to_client = {summary.to_client.frames, summary.to_client.messages, summary.to_client.bytes};
  record.tunnel.to_upstream = {summary.to_upstream.frames, summary.to_upstream.messages, summary.to_upstream.bytes};
  record.tunnel.close_code = summary.close_code;
  record.tunnel.close_initiator = name_of(summary.close_initiator);
  record.tunnel.close_reason = summary.close_reason;
  if (summary.outlived && record.observed.empty()) record.observed = name_of(metrics::Observed::max_lifetime);
  if (summary.violation != metrics::Violation::none) {
    record.tunnel.violation = name_of(summary.violation);
    record.tunnel.violator = name_of(summary.violator);
  }
  const std::string failure = summary.failure ? summary.failure.message() : std::string();
  record.failure = failure;
  write_access_line(record);
}

}  // namespace sluice::proxy
