#include "gateway/grpc_probe.h"

#include <algorithm>

#include "gateway/health_probe.h"
#include "gateway/http/grpc_health.h"
#include "gateway/http2/one_request.h"

namespace sluice {
namespace {

using http2::OneRequest;

// Of a text of the endpoint's, in the log: so much of it, and what can be printed.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 100;
  std::string shown(text.substr(0, kMost));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return '"' + shown + '"';
}

// Parameters, and what follows a plus, are of no concern: there is nothing but protobuf to be had.
bool is_grpc_type(std::string_view type) {
  constexpr std::string_view kType = "application/grpc";
  if (!http::equals_ignore_case(type.substr(0, kType.size()), kType)) return false;
  return type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';' || type[kType.size()] == ' ';
}

std::string problem_of(const OneRequest& call) {
  if (call.head().status != 200) return "status " + std::to_string(call.head().status);
  const std::string_view type = call.head().headers.find("Content-Type").value_or(std::string_view());
  if (!is_grpc_type(type)) return "no answer of gRPC: content-type " + quoted(type);
  const std::string_view status = call.trailer("grpc-status");
  if (status != "0") {
    const std::string_view message = call.trailer("grpc-message");
    return (status.empty() ? "no grpc-status" : "grpc-status " + quoted(status)) + (message.empty() ? "" : ": " + quoted(message));
  }
  const std::optional<std::uint64_t> serving = http::read_grpc_health(call.body());
  if (!serving) return "no valid HealthCheckResponse";
  if (*serving == http::kGrpcServing) return {};
  return std::string(http::grpc_serving_name(*serving)) + " (" + std::to_string(*serving) + ")";
}

}  // namespace

Awaitable<std::string> probe_grpc(tls::Stream& stream, const config::Endpoint& endpoint) {
  http::Headers headers;
  add_probe_headers(headers, endpoint);
  headers.add_view("Content-Type", "application/grpc");
  OneRequest call(stream, OneRequest::Until::end);
  std::string problem = co_await call.ask(
      {"POST", stream.is_tls() ? "https" : "http", http::kGrpcHealthPath, headers, true}, http::kGrpcHealthRequest);
  co_return problem.empty() ? problem_of(call) : problem;
}

}  // namespace sluice
