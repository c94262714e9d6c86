// Opens a connection to an endpoint: TCP or a unix socket, and TLS where the endpoint is https, within one time limit. Tries the endpoint's
// addresses one after the other. One worker's thread.
#pragma once

#include "tls/cancellation.h"
#include "tls/client_context.h"
#include "tls/stream.h"
#include "upstream/endpoint.h"
#include "upstream/failure.h"

namespace sluice::upstream {

// Under what its TLS sessions are kept: one says that this name was verified at this address.
std::string session_key(const config::Endpoint& endpoint);

// What an error while connecting means.
Failure failure_of_connect(ErrorCode error);

// `tls_context` is used for https endpoints only. `opening` is what is sent first, before TLS; it outlives the call. Calling `cancellation` off ends it early with client_left.
Awaitable<Result<tls::StreamPtr>> connect(tls::WorkerIo& io, Endpoint& endpoint, const tls::ClientContext* tls_context,
                                          config::OptionalDuration timeout, tls::Cancellation& cancellation,
                                          std::string_view opening = {},
                                          tls::OfferedProtocols protocols = tls::OfferedProtocols::http_1_1);

}  // namespace sluice::upstream
