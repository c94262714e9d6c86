// The guard that judges ClientHellos by the length that they claim: how the bytes are cut must not matter, and a plain
// reading of the records must say the same.
#include <string>

#include "tests/fuzz/check.h"
#include "tls/client_hello_guard.h"

namespace sluice {
namespace {

// The payloads of handshake records, as far as they are there, as one text.
std::string handshake_bytes(std::string_view text) {
  std::string messages;
  while (text.size() >= 5) {
    const auto byte = [text](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(text[at])); };
    const std::size_t length = byte(3) << 8 | byte(4);
    const std::string_view payload = text.substr(5, length);
    if (byte(0) == 22) messages.append(payload);
    text.remove_prefix(5 + payload.size());
  }
  return messages;
}

// Whether the message that begins at `at` claims to be a hello over the bound; `at` goes behind it.
bool too_long(std::string_view messages, std::size_t& at) {
  if (at > messages.size() || messages.size() - at < 4) return false;
  const auto byte = [=](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(messages[at + i])); };
  const std::size_t length = byte(1) << 16 | byte(2) << 8 | byte(3);
  const bool hello = byte(0) == 1;
  at += 4 + length;
  return hello && length > tls::ClientHelloGuard::kMaxHello;
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size == 0) return 0;
  const std::size_t step = data[0] % 64 + 1;
  const std::string_view text = fuzz::as_text(data + 1, size - 1);
  tls::ClientHelloGuard whole;
  whole.see(text);
  tls::ClientHelloGuard cut;
  for (std::size_t at = 0; at < text.size(); at += step) cut.see(text.substr(at, step));
  FUZZ_CHECK(whole.too_long() == cut.too_long());
  const std::string messages = handshake_bytes(text);
  std::size_t at = 0;
  const bool first = too_long(messages, at);
  const bool second = too_long(messages, at);
  FUZZ_CHECK(whole.too_long() == first);
  whole.retry_asked();
  FUZZ_CHECK(whole.too_long() == (first || second));
  return 0;
}
