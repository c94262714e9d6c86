#include "gateway/proxy/mirror.h"

#include "gateway/proxy/connection_opening.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/hash_key.h"
#include "gateway/proxy/mirror_exchange.h"
#include "gateway/proxy/upstream_exchange.h"

namespace sluice::proxy {
namespace {

bool is_too_large(const http::BodyFraming& body) {
  return body.kind == http::BodyKind::length && body.content_length > HeldBody::kMax;
}

void copy_fields(const http::Headers& from, http::Headers& to) {
  for (const http::Field& field : from) to.add(field.name, field.value);
}

}  // namespace

PendingMirror::PendingMirror(ClientExchange& exchange, Services& services, RouteContext& route)
    : exchange_(exchange), services_(services), route_(route) {
  if (services.random() % 100 >= route.route->mirror->share || exchange.request.headers.contains(kMirrorField)) return;
  if (is_too_large(exchange.request.body)) {
    route.services->mirror->metrics.skipped_body.add();
  } else {
    pending_ = true;
  }
}

PendingMirror::~PendingMirror() {
  if (pending_) route_.services->mirror->metrics.skipped_unsent.add();
}

void PendingMirror::request_sent(const HeldBody& body) noexcept {
  if (!std::exchange(pending_, false)) return;
  metrics::MirrorMetrics& metrics = route_.services->mirror->metrics;
  if (!body.whole) return metrics.skipped_body.add();
  if (metrics.in_flight.value() >= kMostInFlight) return metrics.skipped_busy.add();
  try {
    start(body.bytes);
  } catch (const std::exception&) {  // memory ran out: the client's request goes on
    metrics.skipped_memory.add();
  }
}

void PendingMirror::start(std::string_view body) {
  const config::Config& config = exchange_.generation->config();
  upstream::Cluster& cluster = *route_.services->mirror->cluster;
  MirroredRequest request;
  request.method = exchange_.request.method;
  request.target = upstream_target(exchange_, route_);
  request.head.body = exchange_.request.body;
  copy_fields(exchange_.request.headers, request.head.headers);
  request.head.headers.add_view(kMirrorField, "1");
  request.body = body;
  copy_fields(passable_trailers(exchange_.request_trailers(), route_.named, route_.route->request_headers), request.trailers);
  request.accepts_trailers = route_.accepts_trailers;
  request.opening = connection_opening(exchange_, cluster.settings().proxy_protocol);
  const bool by_hash = cluster.settings().balance == config::Balance::hash;
  if (by_hash) request.hash = hash_key(cluster.settings().hash_on, exchange_, route_);
  request.connect_timeout = config.timeouts.connect.value_or(MirroredRequest::kLongest);
  request.time = route_.response_head_timeout.value_or(MirroredRequest::kLongest);
  if (!start_mirror(services_, exchange_.generation, *route_.services->mirror, std::move(request))) {
    route_.services->mirror->metrics.skipped_memory.add();
  }
}

}  // namespace sluice::proxy
