// Answers that the gateway gives itself to calls of gRPC: whoever calls looks for `grpc-status`, and knows what to do with it.
#pragma once

#include "gateway/proxy/reply.h"

namespace sluice::proxy {

// A call of gRPC: a POST over HTTP/2 of type application/grpc. (To a CONNECT an answer with status 200 would open a tunnel.)
bool is_grpc(const http::RequestHead& request) noexcept;
// The code that says what an HTTP status says (gRPC has 0 to 16).
unsigned grpc_status_of(unsigned http_status) noexcept;
// A response of fields alone, with status 200; the record keeps the HTTP status.
void send_grpc_reply(ClientExchange& exchange, const Reply& reply);

}  // namespace sluice::proxy
