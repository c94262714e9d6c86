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
  set(Text::version, "HTTP/2.0");
  set(Text::upstream_version, "HTTP/1.1");
  websocket::SocketFacts facts;
  facts.identity = std::make_shared<websocket::SocketIdentity>(*websocket::SocketId::parse("0123456789abcdef0123456789abcdef"),
                                                               std::chrono::system_clock::time_point(1'700'000'000'250ms), texts);
  facts.age = 90s;
  facts.idle = 1500ms;
  facts.to_client = {7, 800, 1.26};
  facts.to_upstream = {1, 20, 0};
  return facts;
}

std::string text_of(SocketList list) {
  const std::shared_ptr<AnswerStream> listing = listing_json(std::move(list));
  std::string text;
  while (listing->take(text, {})) {
  }
  return text;
}

TEST(SocketList, AsJson) {
  EXPECT_EQ(Json::parse(text_of({3, 0, {example()}, {}})), Json::parse(R"({"matched": 3, "shown": 1, "sockets": [{
    "id": "0123456789abcdef0123456789abcdef", "route": "chat", "client_ip": "192.0.2.1", "target": "/room", "version": "HTTP/2.0",
    "user_agent": "broken \uFFFD", "upstream_version": "HTTP/1.1",
    "opened": "2023-11-14T22:13:20.250Z", "age_ms": 90000, "idle_ms": 1500, "closing": false,
    "to_client": {"messages": 7, "bytes": 800, "messages_per_second": 1.3},
    "to_upstream": {"messages": 1, "bytes": 20, "messages_per_second": 0.0}}]})"));
}

TEST(SocketList, AListIsNeverInMemoryAsAWhole) {
  const std::shared_ptr<AnswerStream> listing = listing_json({1000, 0, std::vector(1000, example()), {}});
  std::string whole;
  std::string piece;
  for (bool goes_on = true; goes_on; whole += std::exchange(piece, {})) {
    goes_on = listing->take(piece, {});
    EXPECT_LE(piece.size(), 66'000u);
  }
  EXPECT_GT(whole.size(), 300'000u);
  EXPECT_EQ(Json::parse(whole)["sockets"].size(), 1000u);
}

TEST(SocketList, WhoDidNotAnswerIsTold) {
  EXPECT_EQ(Json::parse(text_of({0, 0, {}, {1}})), Json::parse(R"({"matched": 0, "shown": 0, "sockets": [], "silent_workers": [1]})"));
  EXPECT_EQ(Json::parse(closing_json({5, 4, {}, {}})), Json::parse(R"({"matched": 5, "told": 4})"));
}

}  // namespace
}  // namespace sluice::admin
