#include "gateway/health_probe.h"

#include "gateway/grpc_probe.h"
#include "gateway/http/interim.h"
#include "gateway/http1/response_parser.h"
#include "gateway/http1/serializer.h"
#include "gateway/http2/first_bytes.h"
#include "gateway/http2/one_request.h"
#include "tls/stream_error.h"

namespace sluice {
namespace {

using tls::StreamError;

std::string request_for(const config::HealthCheck& check, const config::Endpoint& endpoint) {
  http::Headers headers;
  add_probe_headers(headers, endpoint);
  headers.add_view("Accept", "*/*");
  headers.add_view("Connection", "close");
  std::string request;
  http1::append_request_head(request, "GET", check.path, headers);
  return request;
}

std::string problem_of(unsigned status, const config::HealthCheck& check) {
  if (status >= check.expect.first && status <= check.expect.last) return {};
  return "status " + std::to_string(status);
}

// The answer's body is not waited for.
Awaitable<std::string> ask_in_http2(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint) {
  http::Headers headers;
  add_probe_headers(headers, endpoint);
  headers.add_view("Accept", "*/*");
  http2::OneRequest request(stream, http2::OneRequest::Until::head);
  std::string problem = co_await request.ask({"GET", stream.is_tls() ? "https" : "http", check.path, headers}, {});
  co_return problem.empty() ? problem_of(request.head().status, check) : problem;
}

Awaitable<std::string> ask_in_http1(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint) {
  if (const ErrorCode error = stream.write({request_for(check, endpoint)})) co_return error.message();
  http1::ResponseParser parser{http1::HeadLimits{}};
  http::ResponseHead response;
  std::string bytes;
  unsigned interim = 0;
  for (;;) {
    const http1::HeadResult head = parser.parse(bytes, "GET", response);
    if (head.state == http1::HeadResult::failed) {
      co_return http2::begin_http2(bytes) ? "it answered in HTTP/2; set protocol: h2" : "no valid answer: " + std::string(http::name_of(head.error));
    }
    if (head.state == http1::HeadResult::complete) {
      if (response.status >= 200) co_return problem_of(response.status, check);
      if (++interim > http::kMaxInterim) co_return std::string("too many 1xx");
      bytes.erase(0, head.consumed);
      parser.reset();
      response.clear();
      continue;
    }
    const tls::ReadResult read = stream.read_some(stream.io().scratch(), tls::kHeadRead);
    if (read.error == StreamError::would_block) {
      co_await stream.wait_readable();
    } else if (read.error) {
      co_return "closed without an answer (" + read.error.message() + ")";
    } else {
      bytes.append(stream.io().scratch(), read.size);
    }
  }
}

}  // namespace

void add_probe_headers(http::Headers& headers, const config::Endpoint& endpoint) {
  headers.add("Host", endpoint.unix_socket ? "localhost" : endpoint.authority());
  headers.add_view("User-Agent", "sluice-health-check");
}

Awaitable<std::string> probe_health(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint, bool h2) {
  if (check.kind == config::CheckKind::grpc) return probe_grpc(stream, endpoint);
  return h2 ? ask_in_http2(stream, check, endpoint) : ask_in_http1(stream, check, endpoint);
}

}  // namespace sluice
