#include "gateway/proxy/access_log.h"

#include "metrics/log.h"

namespace sluice::proxy {
namespace {

std::string_view version_text(http::Version version) {
  if (version == http::Version::http_2) return "HTTP/2.0";
  return version == http::Version::http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
}

// From one stage's end to the next; absent when the later one was not reached.
metrics::StageDurations::Duration between(Clock::time_point from, Clock::time_point to) {
  if (to == Clock::time_point{} || from == Clock::time_point{} || to < from) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from);
}

metrics::StageDurations durations_of(const StageTimes& stages) {
  metrics::StageDurations durations;
  durations.read_head = between(stages.begin, stages.head_read);
  durations.connect = between(stages.head_read, stages.connected);
  durations.send = between(stages.connected, stages.sent);
  durations.wait = between(stages.sent, stages.answered);
  durations.respond = between(stages.answered, stages.finished);
  durations.total = between(stages.begin, stages.finished);
  return durations;
}

}  // namespace

metrics::AccessRecord describe(const ClientExchange& exchange, const std::vector<config::Route>& routes) {
  const ExchangeRecord& record = exchange.record;
  const http::RequestHead& request = exchange.request;
  metrics::AccessRecord line;
  line.time = record.time;
  line.client_ip = record.client_ip.empty() ? exchange.connection.peer_address : record.client_ip;
  line.listener = exchange.connection.listener->name;
  line.tls_version = exchange.connection.tls_version;
  line.sni = exchange.connection.sni;
  line.client_subject = exchange.connection.client_subject;
  line.method = request.method;
  line.scheme = exchange.connection.scheme();
  line.host = request.authority;
  line.target = request.target;
  // On HTTP/2 it is known before there is a request.
  if (!request.method.empty() || request.version == http::Version::http_2) line.version = version_text(request.version);
  line.status = record.status;
  line.bytes_received = record.bytes_received;
  line.bytes_sent = record.bytes_sent;
  line.referer = request.headers.find("Referer").value_or("");
  line.user_agent = request.headers.find("User-Agent").value_or("");
  line.request_id = record.request_id;
  if (record.route < routes.size()) {
    line.route = routes[record.route].name;
    if (routes[record.route].upstream) line.upstream = *routes[record.route].upstream;
    if (!record.upstream.empty()) line.upstream = record.upstream;
  }
  line.endpoint = record.endpoint;
  if (record.upstream_version) line.upstream_version = version_text(*record.upstream_version);
  line.attempts = record.attempts;
  line.failure = record.failure;
  line.observed = record.observed;
  line.stages = durations_of(record.stages);
  return line;
}

void write_access_line(const metrics::AccessRecord& record) {
  spdlog::logger* log = metrics::access_log();
  if (log == nullptr) return;
  thread_local std::string line;
  line.clear();
  if (metrics::access_log_format() == config::AccessLogFormat::combined) {
    metrics::format_combined(record, line);
  } else {
    metrics::format_json(record, line);
  }
  log->info(line);
}

namespace {

metrics::Counter& requests_of(http::Version version, metrics::ConnectionMetrics& metrics) noexcept {
  switch (version) {
    case http::Version::http_1_0:
      return metrics.requests_1_0;
    case http::Version::http_1_1:
      return metrics.requests_1_1;
    case http::Version::http_2:
      break;
  }
  return metrics.requests_2;
}

}  // namespace

void finish_request(ClientExchange& exchange, Services& services) {
  ExchangeRecord& record = exchange.record;
  record.stages.finished = Clock::now();
  RouteServices& route = exchange.generation->route(record.route);
  const double seconds = std::chrono::duration<double>(record.stages.finished - record.stages.begin).count();
  requests_of(exchange.request.version, services.io.metrics).add();
  route.requests.count(metrics::method_label(exchange.request.method), record.status, seconds);
  route.requests.bytes_received.add(record.bytes_received);
  route.requests.bytes_sent.add(record.bytes_sent);
  if (!record.failure_detail.empty() && services.log_limit.admit(record.failure)) {
    metrics::log().warn("request {}{}{} failed: {} ({})", record.request_id, record.endpoint.empty() ? "" : " to ",
                        record.endpoint, record.failure, record.failure_detail);
  }
  if (!record.became_tunnel && metrics::access_log() != nullptr) {
    write_access_line(describe(exchange, exchange.generation->config().routes));
  }
}

}  // namespace sluice::proxy
