#include "gateway/http1/response_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/unit/gateway/http1/feeding.h"

namespace sluice::http1 {
namespace {

using namespace std::string_literals;
using http::BodyKind;
using http::ResponseHead;
using http::Version;
using E = ParseError;

std::string ok(const std::string& fields) { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n"; }

Fed parse_every_way(const std::string& bytes, std::string_view method, ResponseHead& head) {
  const Fed whole = feed_response(bytes, 0, method, head);
  for (const std::size_t step : {1, 2, 3, 7}) {
    ResponseHead other;
    EXPECT_TRUE(feed_response(bytes, step, method, other).same_outcome(whole)) << "step " << step;
    if (whole.state != HeadResult::complete) continue;
    EXPECT_EQ(other.status, head.status);
    EXPECT_EQ(other.reason, head.reason);
    EXPECT_EQ(other.headers.size(), head.headers.size());
    EXPECT_EQ(other.body.kind, head.body.kind);
  }
  return whole;
}

TEST(ResponseParser, StatusLines) {
  const struct {
    std::string line;
    unsigned status;
    std::string_view reason;
    Version version;
  } cases[] = {
      {"HTTP/1.1 200 OK", 200, "OK", Version::http_1_1},
      {"HTTP/1.0 200 OK", 200, "OK", Version::http_1_0},
      {"HTTP/1.1 200 ", 200, "", Version::http_1_1},
      {"HTTP/1.1 200", 200, "", Version::http_1_1},
      {"HTTP/1.1 404 Not  Found ", 404, "Not  Found ", Version::http_1_1},
      {"HTTP/1.1 200  OK", 200, " OK", Version::http_1_1},
      {"HTTP/1.1 599 \xC3\xA9\tx", 599, "\xC3\xA9\tx", Version::http_1_1},
      {"HTTP/1.1 100 Continue", 100, "Continue", Version::http_1_1},
      {"HTTP/1.1 299 201", 299, "201", Version::http_1_1},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    ResponseHead head;
    const std::string bytes = c.line + "\r\nX: y\r\n\r\n";
    const Fed fed = parse_every_way(bytes, "GET", head);
    EXPECT_EQ(fed.state, HeadResult::complete);
    EXPECT_EQ(fed.consumed, bytes.size());
    EXPECT_EQ(head.status, c.status);
    EXPECT_EQ(head.reason, c.reason);
    EXPECT_EQ(head.version, c.version);
    EXPECT_EQ(head.headers.find("x"), "y");
  }
}

TEST(ResponseParser, Refusals) {
  const struct {
    std::string bytes;
    ParseError error;
  } cases[] = {
      {"HTTP/1.1  200 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 20 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 2000 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 099 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 600 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 000 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 -20 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 2x0 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 200\tOK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 200OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1\t200 OK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 \r\n\r\n", E::bad_status_line},
      {"HTTP/1.1\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 200 O\0K\r\n\r\n"s, E::bad_status_line},
      {"HTTP/1.1 200 O\x1BK\r\n\r\n", E::bad_status_line},
      {"HTTP/1.1 200 O\x7FK\r\n\r\n", E::bad_status_line},
      {"http/1.1 200 OK\r\n\r\n", E::bad_status_line},
      {"ICY 200 OK\r\n\r\n", E::bad_status_line},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", E::bad_status_line},
      {" HTTP/1.1 200 OK\r\n\r\n", E::bad_status_line},
      {"<html>", E::bad_status_line},
      {"HTTP/2.0 200 OK\r\n\r\n", E::unsupported_version},
      {"HTTP/1.2 200 OK\r\n\r\n", E::unsupported_version},
      {"HTTP/0.9 200 OK\r\n\r\n", E::unsupported_version},
      {"HTTP/2 200 OK\r\n\r\n", E::bad_version},
      {"HTTP/1.x 200 OK\r\n\r\n", E::bad_version},
      {"HTTP/a.1 200 OK\r\n\r\n", E::bad_version},
      {"HTTP/1.1 200 OK\n\r\n", E::bad_line_end},
      {"HTTP/1.1 200 OK\r\r\n", E::bad_line_end},
      {"HTTP/1.1 200\n", E::bad_line_end},
      {"\nHTTP/1.1 200 OK\r\n\r\n", E::bad_line_end},
      {ok("X: a\nY: b\r\n"), E::bad_line_end},
      {ok("X : a\r\n"), E::bad_header_name},
      {ok("X\r\n"), E::bad_header_name},
      {ok("X Y: a\r\n"), E::bad_header_name},
      {ok(" X: a\r\n"), E::obs_fold},
      {ok("X: a\r\n b\r\n"), E::obs_fold},
      {ok("X: a\0\r\n"s), E::bad_header_value},
      {ok("Content-Length: 5\r\nContent-Length: 5\r\n"), E::repeated_content_length},
      {ok("Content-Length: 5, 5\r\n"), E::bad_content_length},
      {ok("Content-Length: -1\r\n"), E::bad_content_length},
      {ok("Content-Length:\r\n"), E::bad_content_length},
      {ok("Content-Length: 99999999999999999999\r\n"), E::bad_content_length},
      {ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), E::content_length_with_transfer_encoding},
      {ok("Transfer-Encoding: gzip\r\n"), E::bad_transfer_encoding},
      {ok("Transfer-Encoding: identity\r\n"), E::bad_transfer_encoding},
      {ok("Transfer-Encoding: gzip, chunked\r\n"), E::bad_transfer_encoding},
      {ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), E::bad_transfer_encoding},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", E::bad_transfer_encoding},
      {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", E::bad_transfer_encoding},
      {"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", E::bad_transfer_encoding},
      {"HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n", E::bad_transfer_encoding},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", E::bad_content_length},
      {"HTTP/1.1 101 Switching\r\nContent-Length: 1\r\n\r\n", E::bad_content_length},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.bytes));
    ResponseHead head;
    const Fed fed = parse_every_way(c.bytes, "GET", head);
    EXPECT_EQ(fed.state, HeadResult::failed);
    EXPECT_EQ(fed.error, c.error);
  }
}

TEST(ResponseParser, BodyFraming) {
  const struct {
    std::string_view method;
    std::string head;
    BodyKind kind;
    std::uint64_t length;
    bool keep_alive;
  } cases[] = {
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", BodyKind::length, 5, true},
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", BodyKind::length, 0, true},
      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", BodyKind::chunked, 0, true},
      {"GET", "HTTP/1.1 200 OK\r\n", BodyKind::until_close, 0, false},
      {"GET", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", BodyKind::until_close, 0, false},
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n", BodyKind::length, 5, false},
      {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", BodyKind::length, 5, false},
      {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n", BodyKind::length, 5,
       true},
      {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", BodyKind::until_close, 0, false},
      {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", BodyKind::none, 0, true},
      {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", BodyKind::none, 0, true},
      {"HEAD", "HTTP/1.1 200 OK\r\n", BodyKind::none, 0, true},
      {"head", "HTTP/1.1 200 OK\r\n", BodyKind::until_close, 0, false},
      {"HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 204 No Content\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 100 Continue\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n", BodyKind::none, 0, true},
      {"GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n", BodyKind::length, 0, true},
      {"CONNECT", "HTTP/1.1 200 OK\r\n", BodyKind::none, 0, true},
      {"CONNECT", "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n", BodyKind::length, 3, true},
      {"GET", "HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\nExpect: x\r\nContent-Length: 1\r\n",
       BodyKind::length, 1, true},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.method) + " " + c.head);
    ResponseHead head;
    const Fed fed = parse_every_way(c.head + "\r\n", c.method, head);
    EXPECT_EQ(fed.state, HeadResult::complete) << name_of(fed.error);
    EXPECT_EQ(head.body.kind, c.kind);
    EXPECT_EQ(head.body.content_length, c.length);
    EXPECT_EQ(head.keep_alive, c.keep_alive);
  }
}

TEST(ResponseParser, AZeroLengthWithoutABodyIsNotPassedOn) {
  ResponseHead head;
  ASSERT_EQ(feed_response("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 0, "GET", head).state,
            HeadResult::complete);
  EXPECT_FALSE(head.headers.contains("Content-Length"));
  ASSERT_EQ(feed_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 0, "GET", head).state,
            HeadResult::complete);
  EXPECT_EQ(head.headers.find("Content-Length"), "7");
}

TEST(ResponseParser, InterimHeadsComeOneAfterTheOther) {
  std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
  ResponseParser parser({});
  ResponseHead head;
  for (const unsigned status : {100U, 103U, 200U}) {
    const HeadResult result = parser.parse(bytes, "GET", head);
    ASSERT_EQ(result.state, HeadResult::complete);
    EXPECT_EQ(head.status, status);
    bytes.erase(0, result.consumed);
    parser.reset();
  }
  EXPECT_TRUE(bytes.empty());
}

class ResponseLimits : public ::testing::TestWithParam<std::size_t> {
 protected:
  Fed parse(const std::string& bytes, const HeadLimits& limits) {
    ResponseHead head;
    return feed_response(bytes, GetParam(), "GET", head, limits);
  }
};

TEST_P(ResponseLimits, StatusLine) {
  for (const std::string line : {"HTTP/1.1 200 Fine", "HTTP/1.1 200 ", "HTTP/1.1 200"}) {
    const std::string bytes = line + "\r\n\r\n";
    EXPECT_EQ(parse(bytes, {.max_line = line.size()}).state, HeadResult::complete) << line;
    for (std::size_t max = 1; max < line.size(); ++max) {
      EXPECT_EQ(parse(bytes, {.max_line = max}).error, E::head_too_large) << line << max;
    }
  }
}

TEST_P(ResponseLimits, HeadAndHeaders) {
  const std::string bytes = ok("A: 1\r\nB: 2\r\n");
  EXPECT_EQ(parse(bytes, {.max_head = bytes.size()}).state, HeadResult::complete);
  for (std::size_t max = 1; max < bytes.size(); ++max) {
    EXPECT_EQ(parse(bytes, {.max_head = max}).error, E::head_too_large) << max;
  }
  EXPECT_EQ(parse(bytes, {.max_headers = 2}).state, HeadResult::complete);
  EXPECT_EQ(parse(bytes, {.max_headers = 1}).error, E::too_many_headers);
}

INSTANTIATE_TEST_SUITE_P(Steps, ResponseLimits, ::testing::Values(0, 1, 3));

}  // namespace
}  // namespace sluice::http1
