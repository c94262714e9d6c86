#include "gateway/admin/socket_request.h"

#include <gmock/gmock.h>

namespace sluice::admin {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(SocketRequest, NothingAsksForAll) {
  SocketRequest request;
  EXPECT_FALSE(parse_listing("", request));
  EXPECT_TRUE(request.filter.empty());
  EXPECT_EQ(request.limit, 100u);
}

TEST(SocketRequest, EveryFilter) {
  SocketRequest request;
  EXPECT_FALSE(parse_listing("?route=a%20b&client=10.0.0.0/8&endpoint=http://127.0.0.1:80&older_than=1h&idle_for=5m&faster_than=100&limit=10000",
                             request));
  EXPECT_EQ(request.filter.route, "a b");
  EXPECT_EQ(request.filter.client->prefix_length, 8u);
  EXPECT_EQ(request.filter.endpoint, "http://127.0.0.1:80");
  EXPECT_EQ(request.filter.older_than, 1h);
  EXPECT_EQ(request.filter.idle_for, 5min);
  EXPECT_EQ(request.filter.faster_than, 100u);
  EXPECT_EQ(request.limit, 10000u);
}

struct Wrong {
  const char* query;
  const char* told;
};

TEST(SocketRequest, WhatIsWrongIsTold) {
  for (const Wrong& wrong : {
           Wrong{"?rout=a", "unknown parameter \"rout\"; did you mean route?"},
           Wrong{"?code=1008", "unknown parameter \"code\""},
           Wrong{"?route=", "route is \"\"; expected the name of a route"},
           Wrong{"?client=localhost", "client is \"localhost\"; expected an IP address or a block"},
           Wrong{"?client=10.0.0.0/33", "expected an IP address or a block"},
           Wrong{"?endpoint=10.0.0.1:8000", "endpoint is \"10.0.0.1:8000\"; expected the URL of an endpoint"},
           Wrong{"?older_than=1", "older_than is \"1\"; expected a duration such as 1h"},
           Wrong{"?idle_for=off", "expected a duration"},
           Wrong{"?faster_than=-1", "expected a number of messages a second"},
           Wrong{"?faster_than=1.5", "expected a number of messages a second"},
           Wrong{"?limit=0", "limit is \"0\"; expected a number from 1 to 10000"},
           Wrong{"?limit=10001", "expected a number from 1 to 10000"},
           Wrong{"?limit=18446744073709551616", "expected a number from 1 to 10000"},
           Wrong{"?route=a&route=b", "route is given twice; expected one value"},
       }) {
    SocketRequest request;
    EXPECT_THAT(parse_listing(wrong.query, request).value_or("nothing"), HasSubstr(wrong.told)) << wrong.query;
  }
}

TEST(SocketRequest, Closing) {
  SocketRequest request;
  EXPECT_FALSE(parse_closing("?route=chat&code=1008&reason=too+loud&over=20s", request));
  EXPECT_EQ(request.code, 1008u);
  EXPECT_EQ(request.reason, "too loud");
  EXPECT_EQ(request.over, 20s);
}

TEST(SocketRequest, ClosingAllHasToBeMeant) {
  SocketRequest nothing;
  EXPECT_THAT(parse_closing("", nothing).value_or(""), HasSubstr("expected a filter such as route=NAME, or all=true"));
  SocketRequest how;
  EXPECT_THAT(parse_closing("?code=1008&over=1m", how).value_or(""), HasSubstr("nothing says which are meant"));
  SocketRequest all;
  EXPECT_FALSE(parse_closing("?all=true", all));
  EXPECT_TRUE(all.all);
  EXPECT_EQ(all.code, 1001u);
  SocketRequest both;
  EXPECT_THAT(parse_closing("?all=true&route=chat", both).value_or(""), HasSubstr("the one or the other"));
  SocketRequest no;
  EXPECT_THAT(parse_closing("?all=false", no).value_or(""), HasSubstr("expected true"));
}

TEST(SocketRequest, OnlyCodesThatAGatewayMayUse) {
  for (const char* code : {"1000", "1001", "1008", "1012", "1013", "3000", "4999"}) {
    SocketRequest request;
    EXPECT_FALSE(parse_closing("?all=true&code=" + std::string(code), request)) << code;
  }
  for (const char* code : {"", "0", "999", "1002", "1005", "1006", "1011", "1015", "2999", "5000", "66544", "x"}) {
    SocketRequest request;
    EXPECT_THAT(parse_closing("?all=true&code=" + std::string(code), request).value_or(""), HasSubstr("expected 1000, 1001, 1008")) << code;
  }
}

TEST(SocketRequest, AReasonFitsIntoAClose) {
  SocketRequest request;
  EXPECT_FALSE(parse_closing("?all=true&reason=" + std::string(123, 'x'), request));
  for (const std::string& reason : {std::string(124, 'x'), std::string("%FF"), std::string("a%0Ab")}) {
    SocketRequest wrong;
    EXPECT_THAT(parse_closing("?all=true&reason=" + reason, wrong).value_or(""), HasSubstr("at most 123 bytes")) << reason;
  }
  SocketRequest late;
  EXPECT_THAT(parse_closing("?all=true&over=25h", late).value_or(""), HasSubstr("at most 24h"));
}

TEST(SocketRequest, ATapHasATime) {
  SocketRequest request;
  EXPECT_FALSE(parse_tap("", request));
  EXPECT_EQ(request.time, 1min);
  EXPECT_FALSE(parse_tap("?for=10m", request));
  EXPECT_EQ(request.time, 10min);
  for (const char* time : {"0s", "999ms", "10m1s", "off", ""}) {
    SocketRequest wrong;
    EXPECT_THAT(parse_tap("?for=" + std::string(time), wrong).value_or(""), HasSubstr("expected a duration from 1s to 10m")) << time;
  }
  EXPECT_THAT(parse_tap("?route=chat", request).value_or(""), HasSubstr("unknown parameter"));
}

}  // namespace
}  // namespace sluice::admin
