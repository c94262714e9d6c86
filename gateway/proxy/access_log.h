// Writes the access log's line for a finished request, and counts it. Every request ends here, once.
#pragma once

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/services.h"
#include "metrics/access_record.h"

namespace sluice::proxy {

void finish_request(ClientExchange& exchange, Services& services);

// The fields that request and tunnel lines have in common; views into the exchange and its generation.
metrics::AccessRecord describe(const ClientExchange& exchange, const std::vector<config::Route>& routes);
void write_access_line(const metrics::AccessRecord& record);

}  // namespace sluice::proxy
