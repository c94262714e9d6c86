#include <nlohmann/json.hpp>

#include "gateway/commands/explanation.h"

namespace sluice::commands {
namespace {

using Json = nlohmann::ordered_json;

// Names may repeat, so a list.
Json fields_json(const Pairs& fields) {
  Json list = Json::array();
  for (const auto& [name, value] : fields) list.push_back({{"name", name}, {"value", value}});
  return list;
}

Json answer_json(const LocalAnswer& answer) {
  Json json{
      {"status", answer.status}, {"headers", fields_json(answer.fields)}, {"body_size", answer.body_size}};
  if (!answer.sentence.empty()) json["why"] = answer.sentence;
  return json;
}

Json destination_json(const Destination& to) {
  Json json{{"upstream", to.upstream}, {"endpoints", to.endpoints}, {"balance", to.balance}, {"attempts", to.attempts}};
  json["protocols"] = protocol_words(to.protocols);
  if (!to.share.empty()) json["share"] = to.share;
  return json;
}

// Of a split each side, else what the one upstream is.
Json forwarded_json(const Forwarded& forwarded) {
  Json json = Json::object();
  if (forwarded.to.size() == 1 && forwarded.to.front().share.empty()) {
    json = destination_json(forwarded.to.front());
  } else {
    json["split"] = Json::array();
    for (const Destination& to : forwarded.to) json["split"].push_back(destination_json(to));
    json["sticky"] = forwarded.sticky;
  }
  if (forwarded.mirror) json["mirror"] = destination_json(*forwarded.mirror);
  const OutgoingHead& head = forwarded.http1 ? *forwarded.http1 : *forwarded.http2;
  json["request_line"] = head.request_line;
  json["headers"] = fields_json(head.fields);
  if (forwarded.http1 && forwarded.http2) {
    json["over_http2"] = {{"request_line", forwarded.http2->request_line}, {"headers", fields_json(forwarded.http2->fields)}};
  }
  return json;
}

const char* verdict_text(routing::Verdict::Kind kind) {
  switch (kind) {
    case routing::Verdict::Kind::chosen:
      return "chosen";
    case routing::Verdict::Kind::unmet:
      return "unmet";
    case routing::Verdict::Kind::less_specific:
      return "less_specific";
  }
  return "";
}

Json routes_json(const std::vector<RouteLine>& routes) {
  Json list = Json::array();
  for (const RouteLine& route : routes) {
    Json json{{"name", route.name}, {"verdict", verdict_text(route.verdict.kind)}};
    if (!route.verdict.reason.empty()) json["reason"] = route.verdict.reason;
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace

std::string to_json(const Explanation& explanation) {
  const ClientView& client = explanation.client;
  Json json{{"request", explanation.request},
            {"listener", explanation.listener},
            {"client",
             {{"address", client.address},
              {"trusted", client.trusted},
              {"believed", client.believed},
              {"scheme", client.scheme},
              {"protocol", client.http2 ? "h2" : "http/1.1"}}},
            {"websocket", explanation.websocket}};
  json["path"] = explanation.path.empty() ? Json() : Json(explanation.path);
  json["route"] = explanation.route.empty() ? Json() : Json(explanation.route);
  json["answer"] = explanation.answer ? answer_json(*explanation.answer) : Json();
  json["forwarded"] = explanation.forwarded ? forwarded_json(*explanation.forwarded) : Json();
  json["request_rules"] = explanation.request_rules;
  json["response_rules"] = explanation.response_rules;
  json["in_force"] = Json::object();
  for (const auto& [key, value] : explanation.in_force) json["in_force"][key] = value;
  json["observed"] = Json::object();
  for (const auto& [key, value] : explanation.observed) json["observed"][key] = value;
  json["routes"] = routes_json(explanation.routes);
  json["notes"] = explanation.notes;
  // What is no UTF-8 is replaced rather than thrown about.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::commands
