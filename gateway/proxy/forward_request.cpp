#include "gateway/proxy/forward_request.h"

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

std::optional<upstream::Picked> pick_endpoint(ClientExchange& exchange, RouteContext& route,
                                              const std::vector<std::size_t>& tried) {
  const std::optional<std::size_t> preferred = route.kept ? std::optional(route.kept->endpoint) : std::nullopt;
  std::optional<upstream::Picked> picked = route.cluster->pick({tried, route.hash_key, false, preferred});
  if (!picked) return picked;
  route.endpoint = picked->index;
  exchange.record.endpoint = picked->endpoint->settings.url;
  if (++exchange.record.attempts > 1) route.cluster->metrics().retries.add();
  return picked;
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

void reply_to_no_endpoint(ClientExchange& exchange, RouteContext& route) {
  const Failure failure{FailureCode::no_endpoint, upstream::Retryable::no, {}};
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
  for (facts.attempt = 1;; ++facts.attempt) {
    std::optional<upstream::Picked> picked = pick_endpoint(exchange, route, tried);
    if (!picked) co_return reply_to_no_endpoint(exchange, route);
    UpstreamExchange attempt(exchange, services, route, held);
    Failure failure;
    bool answered = false;
    bool repeat = false;  // the answer is thrown away for another attempt
    std::exception_ptr exception;
    try {
      const bool keep_body = (facts.idempotent && facts.attempt < retries.attempts) || (mirror && mirror->pending());
      failure = co_await attempt.begin(std::move(*picked), facts.attempt > 1, keep_body);
      if (failure.code == FailureCode::none) failure = check_unasked_switch(attempt.response());
      answered = failure.code == FailureCode::none;
      facts.body_at_hand = held.whole;
      repeat = answered && !attempt.client_problem() &&
               upstream::may_repeat(retries, attempt.response().status, facts) && cluster.take_retry();
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
      const bool again = !answered && !attempt.client_problem() &&
                         upstream::may_retry(retries, failure, facts) && cluster.take_retry();
      if (!again) co_return reply_to_failure(exchange, &attempt, failure);
    }
    tried.push_back(attempt.endpoint());
  }
}

}  // namespace sluice::proxy
