#include "tls/client_hello_guard.h"

#include <algorithm>

namespace sluice::tls {
namespace {

constexpr std::uint8_t kRecordHeader = 5;   // type, version, length (RFC 8446 5.1)
constexpr std::uint8_t kMessageHeader = 4;  // type, length
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kHellos = 2;

}  // namespace

void ClientHelloGuard::see(std::string_view received) noexcept {
  while (!received.empty() && messages_ < kHellos) {
    if (record_have_ < kRecordHeader) {
      see_record_header(static_cast<std::uint8_t>(received.front()));
      received.remove_prefix(1);
      continue;
    }
    const std::size_t seen = see_payload(received.substr(0, record_left_));
    received.remove_prefix(seen);
    record_left_ = static_cast<std::uint16_t>(record_left_ - seen);
    if (record_left_ == 0) record_have_ = 0;
  }
}

void ClientHelloGuard::see_record_header(std::uint8_t byte) noexcept {
  if (record_have_ == 0) record_type_ = byte;
  record_left_ = static_cast<std::uint16_t>(record_left_ << 8 | byte);  // the last two bytes stay
  if (++record_have_ == kRecordHeader && record_left_ == 0) record_have_ = 0;
}

// Messages may be spread over records, and records of other types may come between them.
std::size_t ClientHelloGuard::see_payload(std::string_view payload) noexcept {
  if (record_type_ != kHandshake) return payload.size();
  if (message_left_ == 0) {
    see_message_header(static_cast<std::uint8_t>(payload.front()));
    return 1;
  }
  const auto body = static_cast<std::uint32_t>(std::min<std::size_t>(payload.size(), message_left_));
  message_left_ -= body;
  return body;
}

void ClientHelloGuard::see_message_header(std::uint8_t byte) noexcept {
  message_ = message_ << 8 | byte;
  if (++message_have_ < kMessageHeader) return;
  message_have_ = 0;
  message_left_ = message_ & 0xFFFFFF;
  const bool too_long = message_ >> 24 == kClientHello && message_left_ > kMaxHello;
  (messages_++ == 0 ? first_too_long_ : second_too_long_) = too_long;
}

}  // namespace sluice::tls
