#include "gateway/commands/backend_protocols.h"

namespace sluice::commands {

// A WebSocket goes to an https endpoint of `h2` over HTTP/1.1 where it is not taken over HTTP/2; requests do not.
BackendProtocols backend_protocols(const config::Upstream& upstream, bool websocket) {
  using config::UpstreamProtocol;
  switch (upstream.protocol) {
    case UpstreamProtocol::http_1_1:
      return {.http2 = false, .http1 = true};
    case UpstreamProtocol::h2:
      return {.http2 = true, .http1 = websocket && upstream.uses_https()};
    case UpstreamProtocol::negotiated:
      break;
  }
  return {.http2 = upstream.uses_https(), .http1 = true};
}

std::string protocols_text(const BackendProtocols& protocols, bool websocket) {
  if (!protocols.http2) return "over HTTP/1.1";
  if (!protocols.http1) return websocket ? "over HTTP/2 (RFC 8441); 502 if the endpoint takes no WebSockets there" : "over HTTP/2";
  return websocket ? "over HTTP/2 if the endpoint takes WebSockets there (RFC 8441), else HTTP/1.1"
                   : "over HTTP/2 if the endpoint agrees (ALPN), else HTTP/1.1";
}

std::vector<std::string> protocol_words(const BackendProtocols& protocols) {
  std::vector<std::string> words;
  if (protocols.http2) words.emplace_back("h2");
  if (protocols.http1) words.emplace_back("http/1.1");
  return words;
}

}  // namespace sluice::commands
