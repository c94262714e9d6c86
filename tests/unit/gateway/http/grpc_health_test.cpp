#include "gateway/http/grpc_health.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::http {
namespace {

using namespace std::string_literals;

std::string framed(const std::string& message) {
  return "\0\0\0\0"s + static_cast<char>(message.size()) + message;
}

TEST(GrpcHealth, TheRequestIsAnEmptyMessage) { EXPECT_EQ(kGrpcHealthRequest, framed("")); }

TEST(GrpcHealth, TheStatusIsRead) {
  EXPECT_EQ(read_grpc_health(framed("\x08\x01")), kGrpcServing);
  EXPECT_EQ(read_grpc_health(framed("\x08\x02")), 2U);
  EXPECT_EQ(read_grpc_health(framed("")), 0U) << "what is 0 is left out";
  EXPECT_EQ(read_grpc_health(framed("\x08\x81\0"s)), 1U) << "longer than it need be";
  EXPECT_EQ(read_grpc_health(framed("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), ~std::uint64_t{0}) << "-1";
}

TEST(GrpcHealth, TheLastStatusCounts) { EXPECT_EQ(read_grpc_health(framed("\x08\x01\x08\x02")), 2U); }

TEST(GrpcHealth, OtherFieldsArePassedOver) {
  const std::string others = "\x10\x96\x01"s + "\x19" + std::string(8, 'x') + "\x22\x03" + "abc" + "\x2d" + std::string(4, 'x');
  EXPECT_EQ(read_grpc_health(framed(others + "\x08\x01")), 1U);
  EXPECT_EQ(read_grpc_health(framed("\x08\x01" + others)), 1U);
  EXPECT_EQ(read_grpc_health(framed("\x0a\x01\x01\x08\x01")), 1U) << "of another type it is another field";
}

TEST(GrpcHealth, NoPartOfAResponseIsOne) {
  const std::string whole = framed("\x10\x96\x01\x22\x03" "abc\x08\x01");
  ASSERT_EQ(read_grpc_health(whole), 1U);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read_grpc_health(whole.substr(0, size))) << size;
  EXPECT_FALSE(read_grpc_health(whole + whole)) << "two messages";
}

// Of the message alone, in a frame that says so: only what ends between two fields.
TEST(GrpcHealth, NoFieldMayBeCutOff) {
  const std::string message = "\x08\x01" "\x10\x96\x01" "\x19" "xxxxxxxx" "\x22\x03" "abc" "\x2d" "xxxx";
  for (std::size_t size = 0; size < message.size(); ++size) {
    const bool between = size == 0 || size == 2 || size == 5 || size == 14 || size == 19;
    EXPECT_EQ(read_grpc_health(framed(message.substr(0, size))).has_value(), between) << size;
  }
}

TEST(GrpcHealth, WhatIsNoHealthCheckResponse) {
  EXPECT_FALSE(read_grpc_health("\x01\0\0\0\x02\x08\x01"s)) << "compressed";
  EXPECT_FALSE(read_grpc_health("\0\xff\xff\xff\xff\x08\x01"s)) << "a length that is not true";
  EXPECT_FALSE(read_grpc_health(framed("\x0b\x0c"))) << "a group";
  EXPECT_FALSE(read_grpc_health(framed("\0\x01"s))) << "a field without a number";
  EXPECT_FALSE(read_grpc_health(framed("\x08" + std::string(10, '\xff') + "\x01"))) << "a number without an end";
  EXPECT_FALSE(read_grpc_health(framed("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))) << "longer than everything";
}

TEST(GrpcHealth, Names) {
  EXPECT_EQ(grpc_serving_name(2), "NOT_SERVING");
  EXPECT_EQ(grpc_serving_name(3), "SERVICE_UNKNOWN");
  EXPECT_EQ(grpc_serving_name(4), "an unknown status");
}

}  // namespace
}  // namespace sluice::http
