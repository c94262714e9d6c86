#include "gateway/proxy/local_answer.h"

#include <algorithm>
#include <cassert>

#include "gateway/proxy/acme_challenge.h"
#include "gateway/proxy/header_rules.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/proxy/reply.h"

namespace sluice::proxy {
namespace {

bool mentions_host(const config::Template& text) {
  return std::any_of(text.begin(), text.end(),
                     [](const config::TemplatePart& part) { return part.variable == config::Variable::host; });
}

// The route's redirect or fixed answer.
void respond(ClientExchange& exchange, const RouteContext& route) {
  // `OPTIONS *` asks about the server, not about a path.
  const bool no_path = route.route->redirect && route.path == "*";
  const TemplateValues values{exchange, no_path ? "/" : route.path, route.route->name, route.origin};
  http::Headers headers;
  unsigned status = 0;
  std::string_view body;
  if (route.route->redirect) {
    // A path right behind "https://" would be read as a host.
    if (route.origin.host.empty() && mentions_host(route.route->redirect->to)) {
      return static_cast<void>(send_reply(exchange, reply_for(Refusal::no_host)));
    }
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
    case Action::acme_challenge:
      answer_acme_challenge(exchange, route.path);
      break;
    case Action::redirect_to_https:
      redirect_to_https(exchange, route, https_port);
      break;
    case Action::respond:
      respond(exchange, route);
      break;
    case Action::forward:
      assert(false && "is not answered locally");
      break;
  }
}

}  // namespace sluice::proxy
