#include "tls/client_hello_guard.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::tls {
namespace {

constexpr std::uint32_t kLongest = ClientHelloGuard::kMaxHello;

std::string record(char type, const std::string& payload) {
  std::string bytes{type, 3, 1};
  bytes += static_cast<char>(payload.size() >> 8);
  bytes += static_cast<char>(payload.size());
  return bytes + payload;
}

std::string header(char type, std::uint32_t size) {
  return {type, static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size)};
}

std::string handshake(const std::string& payload) { return record(22, payload); }
std::string hello(std::uint32_t size) { return header(1, size); }

TEST(ClientHelloGuard, JudgesTheFirstHelloByTheLengthThatItClaims) {
  for (const auto& [size, too_long] :
       {std::pair{kLongest, false}, {kLongest + 1, true}, {0xFFFFFFu, true}, {0u, false}}) {
    ClientHelloGuard guard;
    guard.see(handshake(hello(size)));
    EXPECT_EQ(guard.too_long(), too_long) << size;
  }
}

TEST(ClientHelloGuard, FindsTheLengthInSingleBytesAndOverRecords) {
  ClientHelloGuard guard;
  std::string bytes = handshake("");
  for (const char byte : hello(kLongest + 1)) bytes += handshake({byte});
  for (const char byte : bytes) {
    EXPECT_FALSE(guard.too_long());
    guard.see({&byte, 1});
  }
  EXPECT_TRUE(guard.too_long());
}

TEST(ClientHelloGuard, JudgesASecondHelloOnlyIfItWasAskedFor) {
  const std::string first = handshake(hello(3) + "abc");
  const std::string change_cipher_spec = record(20, "\x01");
  for (const bool asked_before : {true, false}) {
    ClientHelloGuard guard;
    if (asked_before) guard.retry_asked();
    guard.see(first + change_cipher_spec + handshake(hello(kLongest + 1)));
    EXPECT_EQ(guard.too_long(), asked_before);
    guard.retry_asked();
    EXPECT_TRUE(guard.too_long());
  }
}

TEST(ClientHelloGuard, LeavesOtherMessagesAndRecordsAlone) {
  ClientHelloGuard guard;
  guard.retry_asked();
  guard.see(record(23, hello(kLongest + 1)) + handshake(header(2, kLongest + 1)));
  EXPECT_FALSE(guard.too_long());
}

TEST(ClientHelloGuard, SeesNothingBehindTheHellos) {
  ClientHelloGuard guard;
  guard.retry_asked();
  guard.see(handshake(hello(0)) + handshake(hello(0)) + handshake(hello(kLongest + 1)));
  EXPECT_FALSE(guard.too_long());
}

}  // namespace
}  // namespace sluice::tls
