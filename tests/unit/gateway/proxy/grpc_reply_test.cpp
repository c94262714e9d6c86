#include "gateway/proxy/grpc_reply.h"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

http::RequestHead request(std::string_view type, http::Version version = http::Version::http_2) {
  http::RequestHead head;
  head.method = "POST";
  head.version = version;
  if (!type.empty()) head.headers.add("content-type", type);
  return head;
}

TEST(GrpcReplyTest, WhatIsACall) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc;charset=x", "Application/GRPC"}) {
    EXPECT_TRUE(is_grpc(request(type))) << type;
  }
  for (const char* type : {"", "application/grp", "application/grpc-web", "application/grpcs", "application/json"}) {
    EXPECT_FALSE(is_grpc(request(type))) << type;
  }
  EXPECT_FALSE(is_grpc(request("application/grpc", http::Version::http_1_1)));
  for (const char* method : {"GET", "CONNECT"}) {
    http::RequestHead head = request("application/grpc");
    head.method = method;
    EXPECT_FALSE(is_grpc(head)) << method;
  }
}

TEST(GrpcReplyTest, Statuses) {
  EXPECT_EQ(grpc_status_of(502), 14U);
  EXPECT_EQ(grpc_status_of(503), 14U);
  EXPECT_EQ(grpc_status_of(429), 14U);
  EXPECT_EQ(grpc_status_of(504), 4U);
  EXPECT_EQ(grpc_status_of(408), 4U);
  EXPECT_EQ(grpc_status_of(413), 8U);
  EXPECT_EQ(grpc_status_of(404), 12U);
  EXPECT_EQ(grpc_status_of(403), 7U);
  EXPECT_EQ(grpc_status_of(400), 13U);
  EXPECT_EQ(grpc_status_of(500), 13U);
  EXPECT_EQ(grpc_status_of(418), 2U);
}

}  // namespace
}  // namespace sluice::proxy
