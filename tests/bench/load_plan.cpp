#include "load_plan.h"

#include <array>
#include <random>

#include "deflate.h"
#include "websocket.h"

namespace sluice::bench {

namespace {

constexpr const char* kKey = "c2x1aWNlLWJlbmNoLWtleQ==";
// Together more than a window of deflate, so that no message is found in there whole.
constexpr size_t kTexts = 16;

LoadPlan make_plan(const std::string& to, bool tls) {
  LoadPlan plan;
  plan.address = parse_address(to);
  if (tls) plan.context = make_client_context();
  return plan;
}

std::string plain_payload(size_t size) {
  std::string payload;
  for (size_t i = 0; i < size; ++i) payload += static_cast<char>('a' + i % 23);
  return payload;
}

// As an application's JSON: the same names over and over, with other numbers and words.
std::string json_text(size_t size, std::minstd_rand& random) {
  static constexpr std::array kWords = {"open",  "closed", "pending", "shipped", "returned",
                                        "north", "south",  "berlin",  "lisbon",  "oslo"};
  const auto number = [&random](unsigned below) { return std::to_string(random() % below); };
  const auto word = [&random] { return std::string(kWords[random() % kWords.size()]); };
  std::string text = "[";
  while (text.size() < size) {
    text += "{\"id\":" + number(1'000'000) + ",\"user\":\"user-" + number(10'000) + "\",\"state\":\"" +
            word() + "\",\"place\":\"" + word() + "\",\"price\":" + number(1000) + "." + number(100) +
            ",\"at\":17641" + number(100'000'000) + "},";
  }
  text.resize(size - 1);
  return text + "]";
}

std::string deflated_frame(const std::string& payload) {
  // Each by itself: a sender that refers to nothing before is right whatever was agreed on.
  Buffer deflated;
  Deflater().deflate(payload, deflated);
  return masked_frame(kFinal | kDeflated | kText, deflated.view());
}

void append_unit(LoadPlan& plan, const std::string& unit) {
  if (plan.starts.empty()) plan.starts.push_back(0);
  plan.block += unit;
  plan.starts.push_back(plan.block.size());
}

}  // namespace

LoadPlan LoadPlan::http(const std::string& to, bool tls, const std::string& path, uint64_t length) {
  LoadPlan plan = make_plan(to, tls);
  plan.length = length;
  append_unit(plan,
              "GET " + path + " HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
  return plan;
}

LoadPlan LoadPlan::websocket(const std::string& to, bool tls, const std::string& path,
                             const Messages& messages) {
  LoadPlan plan = make_plan(to, tls);
  plan.upgrade = true;
  plan.deflate = messages.deflate;
  plan.expected_accept = accept_for(kKey);
  plan.upgrade_request = "GET " + path +
                         " HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nOrigin: http" +
                         (tls ? "s" : "") +
                         "://bench.test\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + kKey + "\r\n";
  if (plan.deflate)
    plan.upgrade_request += std::string("Sec-WebSocket-Extensions: ") + kDeflateOffer + "\r\n";
  plan.upgrade_request += "\r\n";
  std::minstd_rand random(1);
  for (size_t i = 0; i < (plan.deflate ? kTexts : 1); ++i) {
    plan.payloads.push_back(plan.deflate ? json_text(messages.size, random) : plain_payload(messages.size));
  }
  for (size_t i = 0; i < plan.turn() - 1 + static_cast<size_t>(messages.in_flight); ++i) {
    const std::string& payload = plan.payloads[i % plan.turn()];
    append_unit(plan, plan.deflate ? deflated_frame(payload) : masked_frame(kFinal | kBinary, payload));
  }
  return plan;
}

}  // namespace sluice::bench
