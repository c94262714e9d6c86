#include "gateway/proxy/grpc_reply.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kType = "application/grpc";

// The codes that are given.
enum GrpcStatus : unsigned {
  kUnknown = 2,
  kDeadlineExceeded = 4,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

}  // namespace

bool is_grpc(const http::RequestHead& request) noexcept {
  if (request.version != http::Version::http_2 || request.method != "POST") return false;
  const std::string_view type = request.headers.find("Content-Type").value_or("");
  if (!http::equals_ignore_case(type.substr(0, kType.size()), kType)) return false;
  return type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';';
}

unsigned grpc_status_of(unsigned http_status) noexcept {
  switch (http_status) {
    case 400: return kInternal;
    case 403: return kPermissionDenied;
    case 404: return kUnimplemented;
    case 408:
    case 504: return kDeadlineExceeded;
    case 413: return kResourceExhausted;
    case 429:
    case 502:
    case 503: return kUnavailable;
    case 500: return kInternal;
    default: return kUnknown;
  }
}

void send_grpc_reply(ClientExchange& exchange, const Reply& reply) {
  http::Headers headers;
  headers.add_view("Content-Type", kType);
  headers.add("grpc-status", std::to_string(grpc_status_of(reply.status)));
  headers.add_view("grpc-message", reply.sentence);  // nothing in these sentences needs encoding
  headers.add_view("Sluice-Error", reply.error);
  exchange.start_response(200, {}, headers, {});
  exchange.send_body({}, true, nullptr);
  exchange.record.status = reply.status;
}

}  // namespace sluice::proxy
