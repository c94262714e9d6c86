#include "gateway/admin/socket_list.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace sluice::admin {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using Text = websocket::SocketIdentity::Text;

websocket::SocketFacts example() {
  websocket::SocketIdentity::Texts texts;
  const auto set = [&texts](Text text, std::string_view value) { texts[static_cast<std::size_t>(text)] = value; };
  set(Text::route, "chat");
  set(Text::client_ip, "192.0.2.1");
  set(Text::user_agent, "broken \xFF");
  set(Text::target, "/room");
  websocket::SocketFacts facts;
  facts.identity = std::make_shared<websocket::SocketIdentity>(*websocket::SocketId::parse("0123456789abcdef0123456789abcdef"),
                                                               std::chrono::system_clock::time_point(1'700'000'000'250ms), texts);
  facts.age = 90s;
  facts.idle = 1500ms;
  facts.to_client = {7, 800, 1.26};
  facts.to_upstream = {1, 20, 0};
  return facts;
}

TEST(SocketList, AsJson) {
  const SocketList list{3, 0, {example()}, {}};
  EXPECT_EQ(Json::parse(listing_json(list)), Json::parse(R"({"matched": 3, "shown": 1, "sockets": [{
    "id": "0123456789abcdef0123456789abcdef", "route": "chat", "client_ip": "192.0.2.1", "target": "/room", "user_agent": "broken \uFFFD",
    "opened": "2023-11-14T22:13:20.250Z", "age_ms": 90000, "idle_ms": 1500, "closing": false,
    "to_client": {"messages": 7, "bytes": 800, "messages_per_second": 1.3},
    "to_upstream": {"messages": 1, "bytes": 20, "messages_per_second": 0.0}}]})"));
}

TEST(SocketList, WhoDidNotAnswerIsTold) {
  EXPECT_EQ(Json::parse(listing_json({0, 0, {}, {1}})), Json::parse(R"({"matched": 0, "shown": 0, "sockets": [], "silent_workers": [1]})"));
  EXPECT_EQ(Json::parse(closing_json({5, 4, {}, {}})), Json::parse(R"({"matched": 5, "told": 4})"));
}

}  // namespace
}  // namespace sluice::admin
