// Addresses, CIDR blocks and URLs of endpoints: each has one canonical spelling, and a block holds exactly
// the addresses that share its first bits.
#include <string>

#include "config/address.h"
#include "config/syntax.h"
#include "config/upstream_config.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

struct Ip {
  std::uint8_t bytes[16] = {};
  bool v6 = false;
};

// One bit after the other; a mapped address is the v4 address that it is.
bool contains_bit_by_bit(const config::Cidr& block, Ip ip) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (ip.v6 && std::equal(std::begin(kMapped), std::end(kMapped), ip.bytes)) {
    std::copy(ip.bytes + 12, ip.bytes + 16, ip.bytes);
    ip.v6 = false;
  }
  if (ip.v6 != block.v6) return false;
  for (unsigned bit = 0; bit < block.prefix_length; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if ((ip.bytes[bit / 8] & mask) != (block.bytes[bit / 8] & mask)) return false;
  }
  return true;
}

void check_ip(const std::string& text) {
  Ip ip;
  const bool is_ip = config::parse_ip(text, ip.bytes, ip.v6);
  const std::string canonical = config::canonical_ip(text);
  FUZZ_CHECK(is_ip || canonical == text);
  if (!is_ip) return;
  Ip again;
  FUZZ_CHECK(config::parse_ip(canonical, again.bytes, again.v6) && again.v6 == ip.v6);
  FUZZ_CHECK(std::equal(std::begin(ip.bytes), std::end(ip.bytes), again.bytes));
  FUZZ_CHECK(config::canonical_ip(canonical) == canonical);
}

void check_block(const std::string& text, const std::string& address) {
  config::Cidr block;
  if (config::parse_cidr(text, block)) return;
  FUZZ_CHECK(block.prefix_length <= (block.v6 ? 128U : 32U));
  Ip first;
  std::copy(std::begin(block.bytes), std::end(block.bytes), first.bytes);
  first.v6 = block.v6;
  FUZZ_CHECK(block.contains(first.bytes, first.v6));
  Ip ip;
  if (config::parse_ip(address, ip.bytes, ip.v6)) {
    FUZZ_CHECK(block.contains(ip.bytes, ip.v6) == contains_bit_by_bit(block, ip));
  }
  for (unsigned bit = 0; bit < (block.v6 ? 128U : 32U); ++bit) {
    Ip other = first;
    other.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80U >> (bit % 8));
    FUZZ_CHECK(block.contains(other.bytes, other.v6) == contains_bit_by_bit(block, other));
  }
}

void check_listener(const std::string& text) {
  config::Address address;
  if (const config::Fault fault = config::parse_listener_address(text, address)) {
    FUZZ_CHECK(!fault->empty());
    return;
  }
  FUZZ_CHECK(address.is_unix() != !address.host.empty());
  if (address.is_unix())
    FUZZ_CHECK(address.path.size() < 108 && address.path.find('\0') == std::string::npos);
  config::Address again;
  FUZZ_CHECK(!config::parse_listener_address(address.text(), again));
  FUZZ_CHECK(again.text() == address.text() && again.v6 == address.v6);
  config::Address tcp;
  FUZZ_CHECK(config::parse_address(text, tcp).has_value() == address.is_unix());
  if (address.is_unix()) FUZZ_CHECK(!config::is_loopback(address));
}

void check_endpoint(const std::string& text) {
  config::Endpoint endpoint;
  if (const config::Fault fault = config::parse_endpoint_url(text, endpoint)) {
    FUZZ_CHECK(!fault->empty() && endpoint.host.empty());
    return;
  }
  FUZZ_CHECK(!endpoint.host.empty() && endpoint.url == text);
  FUZZ_CHECK(endpoint.unix_socket == (endpoint.port == 0));
  const std::string scheme = endpoint.unix_socket ? "unix:" : endpoint.https ? "https://" : "http://";
  config::Endpoint again;
  FUZZ_CHECK(!config::parse_endpoint_url(scheme + endpoint.authority(), again));
  FUZZ_CHECK(again.host == endpoint.host && again.port == endpoint.port && again.https == endpoint.https);
  FUZZ_CHECK(again.authority() == endpoint.authority());
  // It goes into Host and onto log lines.
  FUZZ_CHECK(endpoint.unix_socket || endpoint.authority().find_first_of(" \t\r\n/@?#") == std::string::npos);
}

void check_mode(const std::string& text) {
  unsigned mode = 0;
  if (!config::parse_mode(text, mode)) FUZZ_CHECK(mode <= 0777);
}

void check_split(const std::string& text) {
  std::string host, port;
  if (!config::split_host_port(text, host, port)) return;
  const std::string shown = text.starts_with('[') ? "[" + host + "]" : host;
  FUZZ_CHECK((port.empty() ? shown : shown + ":" + port) == text);
}

}  // namespace

// The first line is parsed as everything; the second is an address to hold against the block of the first.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string all(fuzz::as_text(data, size));
  const std::size_t end = std::min(all.find('\n'), all.size());
  const std::string text = all.substr(0, end);
  check_ip(text);
  check_block(text, all.substr(std::min(end + 1, all.size())));
  check_listener(text);
  check_endpoint(text);
  check_mode(text);
  check_split(text);
  return 0;
}
