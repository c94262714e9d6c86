#include "gateway/sessions/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "config/listener_config.h"

namespace sluice::sessions {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kV1Prefix = "PROXY ";
constexpr std::size_t kV1MaxSize = 107;  // CRLF included
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kV2FixedSize = 16;

ProxyHeader malformed() { return {State::malformed, 0, {}, false}; }

// Whether `bytes` begins with `prefix`, or is the beginning of it.
bool may_begin_with(std::string_view bytes, std::string_view prefix) {
  const std::size_t common = std::min(bytes.size(), prefix.size());
  return bytes.substr(0, common) == prefix.substr(0, common);
}

void normalize(ProxyHeader::Client& client) {
  constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (!client.v6 || std::memcmp(client.bytes, kMapped, sizeof kMapped) != 0) return;
  std::memmove(client.bytes, client.bytes + sizeof kMapped, 4);
  std::memset(client.bytes + 4, 0, 12);
  client.v6 = false;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size();
}

bool parse_address(std::string_view text, bool v6, std::uint8_t (&bytes)[16]) {
  bool is_v6 = false;
  return config::parse_ip(std::string(text), bytes, is_v6) && is_v6 == v6;
}

// "TCP4 source destination port port", without the line's ends.
bool parse_v1_fields(std::string_view line, ProxyHeader::Client& client) {
  std::string_view fields[5];
  for (std::string_view& field : fields) {
    const std::size_t end = std::min(line.find(' '), line.size());
    field = line.substr(0, end);
    const bool last = &field == &fields[4];
    if (last != (end == line.size())) return false;
    line.remove_prefix(last ? end : end + 1);
  }
  if (fields[0] != "TCP4" && fields[0] != "TCP6") return false;
  client.v6 = fields[0] == "TCP6";
  std::uint8_t destination[16] = {};
  std::uint16_t destination_port = 0;
  return parse_address(fields[1], client.v6, client.bytes) && parse_address(fields[2], client.v6, destination) &&
         parse_port(fields[3], client.port) && parse_port(fields[4], destination_port);
}

ProxyHeader parse_v1(std::string_view bytes) {
  const std::size_t end = bytes.find_first_of("\r\n");
  if (end == std::string_view::npos) return bytes.size() + 2 > kV1MaxSize ? malformed() : ProxyHeader{};
  if (end + 2 > kV1MaxSize || bytes[end] == '\n') return malformed();
  if (end + 1 == bytes.size()) return {};
  if (bytes[end + 1] != '\n') return malformed();
  const std::string_view line = bytes.substr(kV1Prefix.size(), end - kV1Prefix.size());
  ProxyHeader header{State::complete, end + 2, {}, false};
  if (line == "UNKNOWN" || line.substr(0, 8) == "UNKNOWN ") return header;
  ProxyHeader::Client client;
  if (!parse_v1_fields(line, client)) return malformed();
  normalize(client);
  header.client = client;
  return header;
}

ProxyHeader parse_v2(std::string_view bytes) {
  if (bytes.size() < kV2FixedSize) return {};
  const auto byte = [bytes](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[at])); };
  const unsigned command = byte(12), family = byte(13);
  const std::size_t length = byte(14) << 8 | byte(15);
  if (command != 0x20 && command != 0x21) return malformed();
  if (kV2FixedSize + length > ProxyHeader::kMaxSize) return malformed();
  std::size_t address_size = 0;
  bool stands_for_stream = true;
  switch (family) {
    case 0x00: break;                       // unspecified
    case 0x11: address_size = 12; break;    // TCP over IPv4
    case 0x21: address_size = 36; break;    // TCP over IPv6
    case 0x31: address_size = 216; break;   // a unix stream socket
    default: stands_for_stream = false;     // datagrams do not come over a connection
  }
  ProxyHeader header{State::complete, kV2FixedSize + length, {}, command == 0x20};
  // What a LOCAL header says of addresses is to be skipped, whatever it is.
  if (!header.local && (!stands_for_stream || length < address_size)) return malformed();
  if (bytes.size() < header.size) return {};
  if (header.local || (family != 0x11 && family != 0x21)) return header;
  ProxyHeader::Client client;
  client.v6 = family == 0x21;
  const std::size_t ip_size = client.v6 ? 16 : 4;
  std::memcpy(client.bytes, bytes.data() + kV2FixedSize, ip_size);
  const std::size_t port_at = kV2FixedSize + 2 * ip_size;
  client.port = static_cast<std::uint16_t>(byte(port_at) << 8 | byte(port_at + 1));
  normalize(client);
  header.client = client;
  return header;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (may_begin_with(bytes, kV1Prefix)) return bytes.size() < kV1Prefix.size() ? ProxyHeader{} : parse_v1(bytes);
  if (may_begin_with(bytes, kV2Signature)) return bytes.size() < kV2Signature.size() ? ProxyHeader{} : parse_v2(bytes);
  return {State::absent, 0, {}, false};
}

}  // namespace sluice::sessions
