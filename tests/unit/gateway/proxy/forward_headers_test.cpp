#include "gateway/proxy/forward_headers.h"

#include <gmock/gmock.h>

#include <regex>

#include "tests/support/fake_exchange.h"

namespace sluice::proxy {
namespace {

using config::Variable;
using test::FakeExchange;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

config::TemplatePart variable(Variable name) { return {{}, name}; }

std::string value(const http::Headers& headers, std::string_view name) {
  return std::string(headers.find(name).value_or("(none)"));
}

// ---- what goes to the backend
// --------------------------------------------------------------------------------------

class ForwardHeadersTest : public ::testing::Test {
 protected:
  ForwardHeadersTest() {
    rules_.name = "web";
    route_.route = &rules_;
    route_.path = "/";
  }
  http::Headers& fields() { return exchange_.head.headers; }
  void prepare() {
    route_.origin = origin_of(exchange_, 0x0123456789abcdef);
    exchange_.record.client_ip = route_.origin.client_ip;
    prepare_request_headers(exchange_, route_);
  }
  void prepare_response(http::ResponseHead& response) {
    prepare_response_headers(exchange_, route_, response);
  }

  FakeExchange exchange_;
  config::Route rules_;
  RouteContext route_;
};

TEST_F(ForwardHeadersTest, TrailersThatConnectionNamesStayBehind) {
  rules_.request_headers.remove = {"X-Ruled"};
  fields().add("Connection", "close, X-Own");
  const std::vector<std::string_view> named = prepare_request_headers(exchange_, route_);
  http::Headers trailers;
  for (const char* name : {"X-Sum", "x-own", "x-ruled", "X-Owner"}) trailers.add(name, "1");
  std::vector<std::string_view> passed;
  for (const http::Field& field : passable_trailers(trailers, named, rules_.request_headers)) {
    passed.push_back(field.name);
  }
  EXPECT_THAT(passed, ElementsAre("X-Sum", "X-Owner"));
}

TEST_F(ForwardHeadersTest, NamesOfTheResponsesConnectionAreTold) {
  http::ResponseHead response;
  response.headers.add("Connection", "keep-alive, X-Own");
  EXPECT_THAT(prepare_response_headers(exchange_, route_, response), ElementsAre("X-Own"));
}

TEST_F(ForwardHeadersTest, HopByHopFieldsStayBehind) {
  for (const char* name : {"Keep-Alive", "Proxy-Authorization", "TE", "Upgrade", "Proxy-Connection"})
    fields().add(name, "x");
  fields().add("Connection", "keep-alive, X-Private");
  fields().add("X-Private", "secret");
  fields().add("X_Forwarded_For", "1.2.3.4");
  fields().add("Accept", "*/*");
  prepare();
  for (const char* name : {"Connection", "Keep-Alive", "Proxy-Authorization", "TE", "Upgrade",
                           "Proxy-Connection", "X-Private", "X_Forwarded_For"}) {
    EXPECT_FALSE(fields().contains(name)) << name;
  }
  EXPECT_EQ(value(fields(), "Accept"), "*/*");
  EXPECT_EQ(value(fields(), "Host"), "shop.example:8443");
}

TEST_F(ForwardHeadersTest, ForwardingFieldsTellOfTheClient) {
  fields().add("X-Forwarded-For", "6.6.6.6");  // made up by the client
  fields().add("X-Request-Id", "made-up");
  prepare();
  EXPECT_EQ(value(fields(), "X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(value(fields(), "X-Real-IP"), "192.0.2.7");
  EXPECT_EQ(value(fields(), "X-Forwarded-Proto"), "http");
  EXPECT_EQ(value(fields(), "X-Forwarded-Host"), "shop.example:8443");
  EXPECT_EQ(value(fields(), "X-Request-Id"), route_.origin.request_id);
  EXPECT_EQ(value(fields(), "Via"), "1.1 sluice");
  EXPECT_THAT(value(fields(), "Forwarded"), HasSubstr("for=192.0.2.7"));
}

TEST_F(ForwardHeadersTest, ConnectionCannotTakeForwardingFieldsOff) {
  fields().add("Connection", "X-Forwarded-For, X-Real-IP, Host");
  prepare();
  EXPECT_EQ(value(fields(), "X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(value(fields(), "Host"), "shop.example:8443");
}

TEST_F(ForwardHeadersTest, RequestIdsAreSixteenHexDigitsAndDiffer) {
  const std::string first(origin_of(exchange_, 0x0123456789abcdef).request_id);
  EXPECT_TRUE(std::regex_match(first, std::regex("[0-9a-f]{16}"))) << first;
  EXPECT_NE(first, origin_of(exchange_, 0x0123456789abcdee).request_id);
  EXPECT_NE(first, origin_of(exchange_, 0x1123456789abcdef).request_id);
}

TEST_F(ForwardHeadersTest, ATrustedProxyIsBelieved) {
  exchange_.info.peer_trusted = true;
  fields().add("X-Forwarded-For", "203.0.113.5");
  fields().add("X-Forwarded-Proto", "https");
  fields().add("X-Request-Id", "from-the-proxy");
  prepare();
  EXPECT_EQ(route_.origin.client_ip, "203.0.113.5");
  EXPECT_EQ(route_.origin.scheme, "https");
  EXPECT_EQ(value(fields(), "X-Forwarded-For"), "203.0.113.5, 192.0.2.7");
  EXPECT_EQ(value(fields(), "X-Request-Id"), "from-the-proxy");
}

// RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
TEST_F(ForwardHeadersTest, AnAbsoluteTargetsAuthorityReplacesHost) {
  exchange_.head.form = http::TargetForm::absolute;
  exchange_.head.authority = "real.example";
  prepare();
  EXPECT_EQ(fields().count("Host"), 1u);
  EXPECT_EQ(value(fields(), "Host"), "real.example");
}

TEST_F(ForwardHeadersTest, AnOldClientWithoutHostGetsOne) {
  fields().remove("Host");
  exchange_.head.authority = {};
  exchange_.head.version = http::Version::http_1_0;
  prepare();
  EXPECT_EQ(fields().count("Host"), 1u);
  EXPECT_EQ(value(fields(), "Via"), "1.0 sluice");
}

TEST_F(ForwardHeadersTest, TheBodyIsFramedAnew) {
  exchange_.head.body = {http::BodyKind::length, 42};
  fields().add("Content-Length", "42");
  prepare();
  EXPECT_EQ(fields().count("Content-Length"), 1u);
  EXPECT_EQ(value(fields(), "Content-Length"), "42");
  EXPECT_FALSE(fields().contains("Transfer-Encoding"));
}

TEST_F(ForwardHeadersTest, AnEmptyBodyKeepsItsLength) {
  exchange_.head.body = {http::BodyKind::length, 0};
  fields().add("Content-Length", "0");
  prepare();
  EXPECT_EQ(value(fields(), "Content-Length"), "0");
}

TEST_F(ForwardHeadersTest, AChunkedBodyStaysChunked) {
  exchange_.head.body = {http::BodyKind::chunked, 0};
  fields().add("Transfer-Encoding", "chunked");
  prepare();
  EXPECT_EQ(fields().count("Transfer-Encoding"), 1u);
  EXPECT_EQ(value(fields(), "Transfer-Encoding"), "chunked");
  EXPECT_FALSE(fields().contains("Content-Length"));
}

TEST_F(ForwardHeadersTest, AHandshakeKeepsWhatItNeeds) {
  route_.websocket = true;
  fields().add("Connection", "keep-alive, Upgrade");
  fields().add("Upgrade", "WebSocket");
  for (const char* name :
       {"Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Cookie"}) {
    fields().add(name, name);
  }
  prepare();
  EXPECT_EQ(fields().count("Connection"), 1u);
  EXPECT_EQ(value(fields(), "Connection"), "Upgrade");
  EXPECT_EQ(value(fields(), "Upgrade"), "websocket");
  for (const char* name :
       {"Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Cookie"}) {
    EXPECT_EQ(value(fields(), name), name);
  }
}

TEST_F(ForwardHeadersTest, TheRoutesRulesComeLast) {
  rules_.request_headers.set = {{"X-Client", {variable(Variable::client_ip)}}};
  rules_.request_headers.remove = {"Via"};
  fields().add("X-Client", "made up");
  prepare();
  EXPECT_EQ(value(fields(), "X-Client"), "192.0.2.7");
  EXPECT_FALSE(fields().contains("Via"));
}

// ---- what goes back to the client
// ----------------------------------------------------------------------------------

TEST_F(ForwardHeadersTest, AResponseLosesItsHopByHopFieldsAndItsFraming) {
  http::ResponseHead response;
  response.status = 200;
  response.body = {http::BodyKind::length, 5};
  for (const char* name : {"Keep-Alive", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate"})
    response.headers.add(name, "x");
  response.headers.add("Connection", "X-Internal");
  response.headers.add("X-Internal", "1");
  response.headers.add("Content-Length", "5");
  response.headers.add("Set-Cookie", "a=1");
  response.headers.add("Set-Cookie", "b=2");
  prepare_response(response);
  for (const char* name : {"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate",
                           "X-Internal", "Content-Length"}) {
    EXPECT_FALSE(response.headers.contains(name)) << name;
  }
  EXPECT_EQ(response.headers.count("Set-Cookie"), 2u);
  EXPECT_EQ(value(response.headers, "Via"), "1.1 sluice");
}

TEST_F(ForwardHeadersTest, AResponseWithoutBodyStillSaysHowLongItWouldBe) {
  http::ResponseHead response;
  response.status = 304;
  response.headers.add("Content-Length", "1234");
  response.headers.add("Via", "1.0 inner");
  response.version = http::Version::http_1_0;
  prepare_response(response);
  EXPECT_EQ(value(response.headers, "Content-Length"), "1234");
  EXPECT_EQ(value(response.headers, "Via"), "1.0 inner, 1.0 sluice");
}

TEST_F(ForwardHeadersTest, TheRoutesRulesForResponsesComeLast) {
  rules_.response_headers.remove = {"Server", "Via"};
  rules_.response_headers.add = {{"X-Route", {variable(Variable::route)}}};
  http::ResponseHead response;
  response.status = 200;
  response.headers.add("Server", "backend/1.0");
  prepare_response(response);
  EXPECT_FALSE(response.headers.contains("Server"));
  EXPECT_FALSE(response.headers.contains("Via"));
  EXPECT_EQ(value(response.headers, "X-Route"), "web");
}

// RFC 9110 6.6.1: what is forwarded without a Date gets one from the first recipient that has a clock.
TEST_F(ForwardHeadersTest, AResponseWithoutADateGetsOne) {
  http::ResponseHead response;
  response.status = 200;
  prepare_response(response);
  EXPECT_TRUE(response.headers.contains("Date"));
  http::ResponseHead dated;
  dated.status = 200;
  dated.headers.add("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  prepare_response(dated);
  EXPECT_EQ(dated.headers.count("Date"), 1u);
  EXPECT_EQ(value(dated.headers, "Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace sluice::proxy
