// In which versions of HTTP the endpoints of an upstream may get a request, as far as the configuration tells. A pure function.
#pragma once

#include <string>
#include <vector>

#include "config/upstream_config.h"

namespace sluice::commands {

// Both: it is for the endpoint to say, HTTP/2 comes first.
struct BackendProtocols {
  bool http2 = false;
  bool http1 = false;
};

BackendProtocols backend_protocols(const config::Upstream& upstream, bool websocket);

// For people: `over HTTP/2 if the endpoint agrees (ALPN), else HTTP/1.1`.
std::string protocols_text(const BackendProtocols& protocols, bool websocket);
// For programs, in the words of the configuration: h2, http/1.1.
std::vector<std::string> protocol_words(const BackendProtocols& protocols);

}  // namespace sluice::commands
