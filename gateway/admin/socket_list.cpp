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
    {Text::client_subject, "tls_client_subject"}, {Text::host, "host"}, {Text::target, "target"}, {Text::version, "version"},
    {Text::subprotocol, "subprotocol"}, {Text::user_agent, "user_agent"}, {Text::request_id, "request_id"},
    {Text::upstream_version, "upstream_version"},
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

// Some texts are the client's, in any encoding.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

class Listing final : public AnswerStream {
 public:
  explicit Listing(SocketList list) : list_(std::move(list)) {}

  std::chrono::milliseconds longest() const override { return kTakeTime; }
  bool take(std::string& text, std::function<void()>) override {
    if (told_ == 0) {
      text += "{\n  \"matched\": " + std::to_string(list_.matched) + ",\n  \"shown\": " + std::to_string(list_.sockets.size()) + ",\n  \"sockets\": [";
    }
    for (; told_ < list_.sockets.size(); ++told_) {
      if (text.size() >= kPiece) return true;
      text += (told_ == 0 ? "\n    " : ",\n    ") + text_of(socket_of(list_.sockets[told_]));
    }
    text += "\n  ]";
    if (!list_.silent.empty()) text += ",\n  \"silent_workers\": " + text_of(list_.silent);
    text += "\n}\n";
    return false;
  }

 private:
  static constexpr std::chrono::milliseconds kTakeTime{20000};
  static constexpr std::size_t kPiece = 64 * 1024;  // with one more socket than fits in

  const SocketList list_;
  std::size_t told_ = 0;
};

}  // namespace

std::shared_ptr<AnswerStream> listing_json(SocketList list) { return std::make_shared<Listing>(std::move(list)); }

std::string closing_json(const SocketList& list) {
  Json json{{"matched", list.matched}, {"told", list.told}};
  if (!list.silent.empty()) json["silent_workers"] = list.silent;
  return text_of(json) + "\n";
}

}  // namespace sluice::admin
