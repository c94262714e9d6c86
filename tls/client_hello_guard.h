// Judges the length of ClientHellos (RFC 8446 4.1.2) on the bytes that a server receives, before OpenSSL sees
// them: it takes 128 KiB of memory for a hello that only says it will be so long. Owned by a Stream, used by
// its thread. No allocation; every byte sequence is a valid input, and what is no hello is left to OpenSSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::tls {

class ClientHelloGuard {
 public:
  // OpenSSL has a buffer of this size anyway. Hellos have some 2 KiB, with a long session ticket some 6.
  static constexpr std::uint32_t kMaxHello = 16 * 1024;

  // What comes from the client during the handshake, in order.
  void see(std::string_view received) noexcept;
  // A HelloRetryRequest was sent: the second message is a hello as well. It may have been seen already.
  // Without the request another message has its place, maybe encrypted.
  void retry_asked() noexcept { retry_asked_ = true; }
  bool too_long() const noexcept { return first_too_long_ || (second_too_long_ && retry_asked_); }

 private:
  void see_record_header(std::uint8_t byte) noexcept;
  std::size_t see_payload(std::string_view payload) noexcept;  // how much of it that took
  void see_message_header(std::uint8_t byte) noexcept;

  std::uint32_t message_ = 0;       // type and length
  std::uint32_t message_left_ = 0;  // of its body
  std::uint16_t record_left_ = 0;   // of its payload
  std::uint8_t record_type_ = 0;
  std::uint8_t record_have_ = 0;   // of its header
  std::uint8_t message_have_ = 0;  // of its header
  std::uint8_t messages_ = 0;      // whose headers were seen
  bool retry_asked_ = false;
  bool first_too_long_ = false;
  bool second_too_long_ = false;
};

}  // namespace sluice::tls
