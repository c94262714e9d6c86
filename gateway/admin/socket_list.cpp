#include "gateway/admin/socket_list.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "metrics/log_text.h"

namespace sluice::admin {
namespace {

using Json = nlohmann::ordered_json;
using websocket::SocketFacts;
using Text = websocket::SocketIdentity::Text;

struct Field {
  Text text;
  const char* name;  // as in the access log
};
constexpr Field kFields[] = {
    {Text::route, "route"}, {Text::upstream, "upstream"}, {Text::endpoint, "endpoint"}, {Text::listener, "listener"},
    {Text::client_ip, "client_ip"}, {Text::tls_version, "tls_version"}, {Text::sni, "sni"},
    {Text::client_subject, "tls_client_subject"}, {Text::host, "host"}, {Text::target, "target"},
    {Text::subprotocol, "subprotocol"}, {Text::user_agent, "user_agent"}, {Text::request_id, "request_id"},
};

Json direction_of(const SocketFacts::Direction& direction) {
  return {{"messages", direction.messages}, {"bytes", direction.bytes}, {"messages_per_second", std::round(direction.per_second * 10) / 10}};
}

Json socket_of(const SocketFacts& facts) {
  const websocket::SocketIdentity& identity = *facts.identity;
  Json json{{"id", identity.id().text()}};
  for (const Field& field : kFields) {
    if (const std::string_view text = identity[field.text]; !text.empty()) json[field.name] = text;
  }
  std::string opened;
  metrics::append_utc_time(opened, identity.opened());
  json["opened"] = std::move(opened);
  json["age_ms"] = facts.age.count();
  json["idle_ms"] = facts.idle.count();
  json["closing"] = facts.closing;
  json["to_client"] = direction_of(facts.to_client);
  json["to_upstream"] = direction_of(facts.to_upstream);
  return json;
}

std::string text_of(Json json, const SocketList& list) {
  if (!list.silent.empty()) json["silent_workers"] = list.silent;
  // Some texts are the client's, in any encoding.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string listing_json(const SocketList& list) {
  Json sockets = Json::array();
  for (const SocketFacts& facts : list.sockets) sockets.push_back(socket_of(facts));
  return text_of({{"matched", list.matched}, {"shown", list.sockets.size()}, {"sockets", std::move(sockets)}}, list);
}

std::string closing_json(const SocketList& list) { return text_of({{"matched", list.matched}, {"told", list.told}}, list); }

}  // namespace sluice::admin
