#include "gateway/http/hop_by_hop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> names(const Headers& headers) {
  std::vector<std::string> out;
  for (const Field& field : headers) out.emplace_back(field.name);
  return out;
}

TEST(HopByHop, FieldsOfTheConnectionGo) {
  Headers headers;
  for (const char* name :
       {"Connection", "keep-alive", "PROXY-CONNECTION", "Proxy-Authenticate", "Proxy-Authorization", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"}) {
    headers.add(name, "x");
  }
  remove_hop_by_hop(headers);
  EXPECT_THAT(names(headers), IsEmpty());
}

TEST(HopByHop, FieldsNamedInConnectionGo) {
  Headers headers;
  headers.add("X-One", "1");
  headers.add("Connection", "x-one , close");
  headers.add("Stays", "1");
  headers.add("connection", ",,X-Two");
  headers.add("x-two", "1");
  headers.add("X-TWO", "2");
  remove_hop_by_hop(headers);
  EXPECT_THAT(names(headers), ElementsAre("Stays"));
}

TEST(HopByHop, TellsWhatConnectionNamesBesideTheUsual) {
  Headers headers;
  headers.add("Connection", "x-one , close, TE, cookie");
  headers.add("connection", "keep-alive,,X-Two");
  EXPECT_THAT(remove_hop_by_hop(headers), ElementsAre("x-one", "X-Two"));
  EXPECT_THAT(remove_hop_by_hop(headers), IsEmpty());
}

TEST(HopByHop, ConnectionCannotRemoveWhatTheGatewayReliesOn) {
  Headers headers;
  headers.add("Connection",
              "host, content-length, cookie, authorization, x-forwarded-for, x-forwarded-proto, forwarded, "
              "sec-websocket-key, x-real-ip, x-request-id");
  const std::vector<std::string> kept = {
      "Host",      "Content-Length",    "Cookie",    "Authorization", "X-Forwarded-For", "X-Forwarded-Proto",
      "Forwarded", "Sec-WebSocket-Key", "X-Real-IP", "X-Request-Id"};
  for (const std::string& name : kept) headers.add(name, "x");
  remove_hop_by_hop(headers);
  EXPECT_EQ(names(headers), kept);
}

TEST(HopByHop, ACrowdOfNamesIsBounded) {
  Headers headers;
  std::string crowd;
  for (int i = 0; i < 1000; ++i) crowd += "n" + std::to_string(i) + ",";
  headers.add("Connection", crowd + "last");
  headers.add("n0", "1");
  headers.add("n31", "1");
  headers.add("last", "1");
  remove_hop_by_hop(headers);
  EXPECT_THAT(names(headers), ElementsAre("last"));
}

TEST(HopByHop, UnderscoredNamesGo) {
  Headers headers;
  headers.add("X_Forwarded_For", "1");
  headers.add("X-Y", "_");
  headers.add("_", "1");
  remove_underscored(headers);
  EXPECT_THAT(names(headers), ElementsAre("X-Y"));
}

TEST(Trailers, WhatMayBeForwarded) {
  for (const char* name :
       {"X", "Server-Timing", "Digest", "ETag", "Grpc-Status", "Grpc-Message", "X-Forwarded"}) {
    EXPECT_TRUE(allowed_in_trailers(name)) << name;
  }
  for (const char* name : {"",
                           "host",
                           "Content-Length",
                           "TRANSFER-ENCODING",
                           "Trailer",
                           "TE",
                           "Connection",
                           "Upgrade",
                           "Authorization",
                           "Proxy-Authorization",
                           "Cookie",
                           "Set-Cookie",
                           "Content-Type",
                           "Content-Encoding",
                           "Cache-Control",
                           "Expect",
                           "Range",
                           "If-Match",
                           "Location",
                           "Forwarded",
                           "X-Forwarded-For",
                           "X-Real-IP",
                           "Sec-WebSocket-Accept",
                           "X_Y"}) {
    EXPECT_FALSE(allowed_in_trailers(name)) << name;
  }
}

}  // namespace
}  // namespace sluice::http
