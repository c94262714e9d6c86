// Whatever is offered, what the gateway answers is valid: its own check of backends' answers accepts it, and it says what is done.
#include <string>

#include "gateway/http/characters.h"
#include "gateway/websocket/deflate_offer.h"
#include "gateway/websocket/handshake_extensions.h"
#include "tests/fuzz/check.h"

using namespace sluice;

// One field per line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::Headers request;
  fuzz::for_each_line(fuzz::as_text(data, size), [&](std::string_view line) {
    if (http::all_of(http::kFieldValue, line)) request.add("Sec-WebSocket-Extensions", line);
  });
  const std::optional<websocket::DeflateAgreement> chosen = websocket::choose_deflate(request);
  if (!chosen) return 0;
  FUZZ_CHECK(chosen->server_window_bits >= 8 && chosen->server_window_bits <= websocket::DeflateAgreement::kOwnWindowBits);
  FUZZ_CHECK(chosen->client_window_bits >= 8 && chosen->client_window_bits <= websocket::DeflateAgreement::kMostWindowBits);
  FUZZ_CHECK(chosen->says_client_window_bits || chosen->client_window_bits == websocket::DeflateAgreement::kMostWindowBits);
  const std::string answer = chosen->answer();
  http::Headers response;
  response.add("Sec-WebSocket-Extensions", answer);
  FUZZ_CHECK(websocket::extensions_were_offered(request, response));
  FUZZ_CHECK(websocket::reserved_bits_of(response).allowed == 0x40);
  FUZZ_CHECK(answer.find("server_no_context_takeover") != std::string::npos == chosen->server_no_context_takeover);
  FUZZ_CHECK(answer.find("client_no_context_takeover") != std::string::npos == chosen->client_no_context_takeover);
  return 0;
}
