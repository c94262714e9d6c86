// Answers for which no upstream is asked: refusals, redirects, fixed answers and ACME challenges. The exchange's own thread.
#pragma once

#include <cstdint>

#include "gateway/proxy/decide.h"

namespace sluice::proxy {

// For every decision but Action::forward. `https_port`: where redirect_to_https leads.
void answer_locally(ClientExchange& exchange, const Decision& decision, const RouteContext& route,
                    std::uint16_t https_port);

}  // namespace sluice::proxy
