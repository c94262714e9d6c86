#include "gateway/proxy/local_answer.h"

#include "gateway/proxy/header_rules.h"
#include "gateway/proxy/https_redirect.h"

namespace sluice::proxy {
namespace {

// The route's redirect or fixed answer.
void respond(ClientExchange& exchange, const RouteContext& route) {
  const TemplateValues values{exchange, route.path, route.route->name, route.origin.scheme};
  http::Headers headers;
  unsigned status = 0;
  std::string_view body;
  if (route.route->redirect) {
    status = route.route->redirect->status;
    headers.add("Location", expand(route.route->redirect->to, values));
  } else {
    status = route.route->respond->status;
    body = route.route->respond->body;
    for (const config::HeaderTemplate& field : route.route->respond->headers) {
      headers.add(field.name, expand(field.value, values));
    }
  }
  apply(route.route->response_headers, values, headers);
  send_response(exchange, status, headers, body);
}

}  // namespace

void answer_locally(ClientExchange& exchange, const Decision& decision, const RouteContext& route,
                    std::uint16_t https_port) {
  // The body, if any, is not read: too much of it would be a gift.
  if (decision.out_of_step || !exchange.body_complete()) exchange.close_after();
  switch (decision.action) {
    case Action::refuse:
      send_reply(exchange, decision.reply);
      break;
    case Action::redirect_to_https:
      redirect_to_https(exchange, route, https_port);
      break;
    case Action::respond:
      respond(exchange, route);
      break;
    case Action::forward:
      break;
  }
}

}  // namespace sluice::proxy
