#include "gateway/proxy/forward_request.h"

#include "gateway/proxy/connection_opening.h"
#include "gateway/proxy/mirror.h"
#include "gateway/proxy/upstream_exchange.h"
#include "upstream/retry_policy.h"

namespace sluice::proxy {
namespace {

Failure check_unasked_switch(const http::ResponseHead& response) {
  if (response.status != 101) return {};
  return {FailureCode::bad_upgrade, upstream::Retryable::no, "101 to a request that asked for no upgrade"};
}

}  // namespace

upstream::Result<upstream::Picked> pick_endpoint(ClientExchange& exchange, RouteContext& route,
                                                 const std::vector<std::size_t>& tried, bool fresh) {
  const std::string opening = connection_opening(exchange, route.cluster->settings().proxy_protocol);
  const upstream::Need need{.fresh = fresh || !tried.empty(), .tunnel = route.websocket, .repeat = !tried.empty(), .opening = opening};
  const std::optional<std::size_t> preferred = route.kept ? std::optional(route.kept->endpoint) : std::nullopt;
  const upstream::PickHints hints{.excluded = tried, .hash = route.hash_key, .preferred = preferred};
  upstream::Result<upstream::Picked> picked = route.cluster->pick(hints, need);
  if (!picked) return picked;
  route.endpoint = picked->index;
  exchange.record.endpoint = picked->endpoint->settings.url;
  exchange.record.upstream_version.reset();
  if (++exchange.record.attempts > 1) route.cluster->metrics().retries.add();
  return picked;
}

bool pick_another_endpoint(ClientExchange& exchange, RouteContext& route, std::vector<std::size_t>& tried,
                           const UpstreamExchange& attempt, upstream::Result<upstream::Picked>& picked) {
  if (!route.cluster->take_retry()) return false;
  tried.push_back(attempt.endpoint());
  picked = pick_endpoint(exchange, route, tried, true);
  return static_cast<bool>(picked);
}

void count_failure(RouteContext& route, const UpstreamExchange* attempt, const Failure& failure) {
  if (attempt != nullptr && attempt->client_problem()) return;
  route.cluster->metrics().count_failure(static_cast<std::size_t>(failure.code));
}

void reply_to_failure(ClientExchange& exchange, const UpstreamExchange* attempt, const Failure& failure) {
  exchange.record.failure_detail = failure.detail;
  Reply reply = reply_for(failure.code);
  const std::optional<Reply> client_problem = attempt != nullptr ? attempt->client_problem() : std::nullopt;
  if (client_problem) {
    reply = *client_problem;
    exchange.record.failure_detail.clear();
  }
  if (client_problem || !exchange.body_complete()) exchange.close_after();
  if (reply.status == 499) {  // nobody is there to read an answer
    exchange.record.status = 499;
    exchange.record.failure = reply.error;
    exchange.break_off();
    return;
  }
  if (!send_reply(exchange, reply)) exchange.break_off();
}

void reply_to_no_endpoint(ClientExchange& exchange, RouteContext& route, const Failure& failure) {
  count_failure(route, nullptr, failure);
  reply_to_failure(exchange, nullptr, failure);
}

Awaitable<> forward_request(ClientExchange& exchange, Services& services, RouteContext& route) {
  upstream::Cluster& cluster = *route.cluster;
  const config::Retries& retries = cluster.settings().retries;
  upstream::AttemptFacts facts;
  facts.idempotent = http::is_idempotent(exchange.request.method);
  HeldBody held(services.io);
  std::optional<PendingMirror> mirror;
  if (route.services->mirror) route.mirror = &mirror.emplace(exchange, services, route);
  std::vector<std::size_t> tried;
  upstream::Result<upstream::Picked> picked = pick_endpoint(exchange, route, tried, false);
  if (!picked) co_return reply_to_no_endpoint(exchange, route, picked.failure());
  for (facts.attempt = 1;; ++facts.attempt) {
    UpstreamExchange attempt(exchange, services, route, held);
    const auto pick_another = [&] { return pick_another_endpoint(exchange, route, tried, attempt, picked); };
    Failure failure;
    bool answered = false;
    bool repeat = false;  // the answer is thrown away for another attempt
    std::exception_ptr exception;
    try {
      // Over HTTP/2 a request of any method may come back untouched.
      const bool may_come_back = facts.idempotent || cluster.speaks_h2(picked->index);
      const bool keep_body = (may_come_back && facts.attempt < retries.attempts) || (mirror && mirror->pending());
      failure = co_await attempt.begin(std::move(*picked), keep_body);
      if (failure.code == FailureCode::none) failure = check_unasked_switch(attempt.response());
      answered = failure.code == FailureCode::none;
      facts.body_at_hand = held.whole;
      repeat = answered && !attempt.client_problem() &&
               upstream::may_repeat(retries, attempt.response().status, facts) && pick_another();
      if (answered && !repeat) {
        held.drop();
        failure = co_await attempt.relay_response();
      }
    } catch (...) {
      exception = std::current_exception();  // the upload must be joined first
    }
    if (attempt.uploading()) co_await attempt.finish_upload();
    if (exception) std::rethrow_exception(exception);
    if (failure.code == FailureCode::none && !repeat) co_return;
    if (!repeat) {
      count_failure(route, &attempt, failure);
      facts.body_at_hand = held.whole;
      facts.reused = attempt.reused();
      attempt.drop_connection();
      const bool again = !answered && !attempt.client_problem() &&
                         upstream::may_retry(retries, failure, facts) && pick_another();
      if (!again) co_return reply_to_failure(exchange, &attempt, failure);
    }
  }
}

}  // namespace sluice::proxy
