#include "gateway/proxy/termination.h"

#include <algorithm>

#include "gateway/websocket/handshake.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kKey = "Sec-WebSocket-Key", kAccept = "Sec-WebSocket-Accept", kExtensions = "Sec-WebSocket-Extensions",
                           kProtocol = "Sec-WebSocket-Protocol";

}  // namespace

Termination::Termination(const config::WebSocketRules& rules, http::Headers& request)
    : accept_(websocket::accept_for(*request.find(kKey))) {
  if (rules.compression == config::WebSocketRules::Compression::offload) deflate_ = websocket::choose_deflate(request);
  request.remove(kExtensions);
  request.set(kKey, websocket::make_key());
  if (!rules.subprotocols.empty()) choose_subprotocol(rules.subprotocols, request);
}

void Termination::choose_subprotocol(const std::vector<std::string>& known, http::Headers& request) {
  for (const http::Field& field : request) {
    if (!http::equals_ignore_case(field.name, kProtocol)) continue;
    http::for_each_list_member(field.value, [&](std::string_view offered) {
      if (subprotocol_.empty() && std::find(known.begin(), known.end(), offered) != known.end()) subprotocol_ = offered;
    });
  }
  request.remove(kProtocol);
  if (!subprotocol_.empty()) request.set(kProtocol, subprotocol_);
}

void Termination::answer(http::Headers& response) const {
  response.set(kAccept, accept_);
  if (!subprotocol_.empty()) response.set(kProtocol, subprotocol_);
  response.remove(kExtensions);  // of the backend: it may hold no more than an empty list, and that is for the gateway
  if (deflate_) response.set(kExtensions, deflate_->answer());
}

std::optional<Termination> prepare_handshake(http::Headers& request, const config::WebSocketRules& rules) {
  if (rules.mode == config::WebSocketRules::Mode::terminate) return Termination(rules, request);
  if (rules.compression == config::WebSocketRules::Compression::off) request.remove(kExtensions);
  return std::nullopt;
}

}  // namespace sluice::proxy
