// Every request that must be refused, with the exact reason, and that it is the same however the bytes come.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/gateway/http1/feeding.h"

namespace sluice::http1 {
namespace {

using namespace std::string_literals;
using E = ParseError;

struct Case {
  std::string bytes;
  ParseError error;
};

std::string get(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
std::string post(const std::string& fields) { return "POST /p HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
std::string line(const std::string& request_line) { return request_line + "\r\nHost: a\r\n\r\n"; }
std::string to(const std::string& target) { return line("GET " + target + " HTTP/1.1"); }
std::string host(const std::string& value) { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; }

void expect_refused(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.bytes));
    http::RequestHead head;
    const Fed whole = feed_request(c.bytes, 0, head);
    EXPECT_EQ(whole.state, HeadResult::failed);
    EXPECT_EQ(whole.error, c.error);
    for (const std::size_t step : {1, 2, 3, 7}) {
      const Fed dripped = feed_request(c.bytes, step, head);
      EXPECT_TRUE(dripped.same_outcome(whole)) << "step " << step << ": " << name_of(dripped.error);
    }
  }
}

TEST(RequestRefusals, RequestLine) {
  expect_refused({
      {line("GET"), E::bad_request_line},
      {line("GET "), E::bad_request_line},
      {line("GET /"), E::bad_request_line},
      {line("GET  / HTTP/1.1"), E::bad_request_line},
      {line("GET /  HTTP/1.1"), E::bad_version},
      {line("GET /"s + "\t" + "HTTP/1.1"), E::bad_target},
      {line("GET\t/ HTTP/1.1"), E::bad_method},
      {line("GET / HTTP/1.1 "), E::bad_version},
      {line("GET / HTTP/1.1\t"), E::bad_version},
      {line("GET / extra HTTP/1.1"), E::bad_version},
      {line(" GET / HTTP/1.1"), E::bad_method},
      {line("GET / "), E::bad_version},
      {"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::bad_request_line},
      {"\r\n\r\n\r", E::bad_request_line},
      {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::bad_line_end},
      {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::bad_line_end},
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", E::bad_line_end},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", E::bad_line_end},
      {"GET / HTTP/1.1\r\rHost: a\r\n\r\n", E::bad_line_end},
      {"GET /\nHost: a\r\n\r\n", E::bad_line_end},
      {"GET\n", E::bad_line_end},
      {"GET / \n", E::bad_line_end},
  });
}

TEST(RequestRefusals, Method) {
  expect_refused({
      {line("G@T / HTTP/1.1"), E::bad_method},
      {line("G(T / HTTP/1.1"), E::bad_method},
      {line("GE,T / HTTP/1.1"), E::bad_method},
      {line("GET: / HTTP/1.1"), E::bad_method},
      {line("\"GET\" / HTTP/1.1"), E::bad_method},
      {line("GET/ / HTTP/1.1"), E::bad_method},
      {line("G\0T / HTTP/1.1"s), E::bad_method},
      {line("G\x7FT / HTTP/1.1"), E::bad_method},
      {line("G\xC3\x89T / HTTP/1.1"), E::bad_method},
      {line("{} / HTTP/1.1"), E::bad_method},
      {"\x16\x03\x01\x02", E::bad_method},  // a TLS ClientHello on a plain port
      {"<policy-file-request/>", E::bad_method},
      {"\0"s, E::bad_method},
  });
}

TEST(RequestRefusals, Version) {
  expect_refused({
      {line("GET / HTTP/2.0"), E::unsupported_version}, {line("GET / HTTP/1.2"), E::unsupported_version},
      {line("GET / HTTP/1.9"), E::unsupported_version}, {line("GET / HTTP/0.9"), E::unsupported_version},
      {line("GET / HTTP/3.0"), E::unsupported_version}, {line("GET / HTTP/9.1"), E::unsupported_version},
      {line("PRI * HTTP/2.0"), E::unsupported_version},  // the HTTP/2 preface
      {line("GET / http/1.1"), E::bad_version},         {line("GET / Http/1.1"), E::bad_version},
      {line("GET / HTTP/1"), E::bad_version},           {line("GET / HTTP/2"), E::bad_version},
      {line("GET / HTTP/1."), E::bad_version},          {line("GET / HTTP/.1"), E::bad_version},
      {line("GET / HTTP/11"), E::bad_version},          {line("GET / HTTP/1.10"), E::bad_version},
      {line("GET / HTTP/01.1"), E::bad_version},        {line("GET / HTTP/1,1"), E::bad_version},
      {line("GET / HTTP 1.1"), E::bad_version},         {line("GET / HTTP/-1.1"), E::bad_version},
      {line("GET / HTTP/1.x"), E::bad_version},         {line("GET / HTTPS/1.1"), E::bad_version},
      {line("GET / XTTP/1.1"), E::bad_version},         {line("GET / ICY"), E::bad_version},
      {line("GET / HTTP/1.1\0"s), E::bad_version},
  });
}

TEST(RequestRefusals, Target) {
  expect_refused({
      {to("foo"), E::bad_target},
      {to("?q=1"), E::bad_target},
      {to("*"), E::bad_target},
      {line("POST * HTTP/1.1"), E::bad_target},
      {line("OPTIONS ** HTTP/1.1"), E::bad_target},
      {line("OPTIONS *?x HTTP/1.1"), E::bad_target},
      {to("/a#b"), E::bad_target},
      {to("/#"), E::bad_target},
      {to("/a\tb"), E::bad_target},
      {to("/a\x01"
          "b"),
       E::bad_target},
      {to("/a\x7F"), E::bad_target},
      {to("/\xC3\xA9"), E::bad_target},
      {to("/a\0b"s), E::bad_target},
      {to("/?q=\xFF"), E::bad_target},
      {to("http://"), E::bad_target},
      {to("http:///path"), E::bad_target},
      {to("http://?q"), E::bad_target},
      {to("http:/a/"), E::bad_target},
      {to("http:a"), E::bad_target},
      {to("ftp://a/"), E::bad_target},
      {to("ws://a/"), E::bad_target},
      {to("://a/"), E::bad_target},
      {to("httpss://a/"), E::bad_target},
      {to("http://user@a/"), E::bad_target},
      {to("http://user:pass@a/"), E::bad_target},
      {to("http://a:/"), E::bad_target},
      {to("http://a:0/"), E::bad_target},
      {to("http://a:65536/"), E::bad_target},
      {to("http://a:8x/"), E::bad_target},
      {to("http://[::1/"), E::bad_target},
      {to("http://[zz]/"), E::bad_target},
      {to("http://a\\b/"), E::bad_target},
      {to("http://a%2eb/"), E::bad_target},
      {to("a:443"), E::bad_target},
      {line("CONNECT / HTTP/1.1"), E::bad_target},
      {line("CONNECT a HTTP/1.1"), E::bad_target},
      {line("CONNECT a: HTTP/1.1"), E::bad_target},
      {line("CONNECT http://a:443/ HTTP/1.1"), E::bad_target},
      {line("CONNECT u@a:443 HTTP/1.1"), E::bad_target},
      {line("CONNECT * HTTP/1.1"), E::bad_target},
  });
}

TEST(RequestRefusals, FieldSyntax) {
  expect_refused({
      {get("X: a\nY: b\r\n"), E::bad_line_end},
      {get("X: a\rY: b\r\n"), E::bad_line_end},
      {get("X: a\r\rY: b\r\n"), E::bad_line_end},
      {get("X: a\r\r\n"), E::bad_line_end},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", E::bad_line_end},
      {"GET / HTTP/1.1\r\nHost: a\n\n", E::bad_line_end},
      {"GET / HTTP/1.1\r\nHost: a\r\n\rX", E::bad_line_end},
      {"GET / HTTP/1.1\r\n\nHost: a\r\n\r\n", E::bad_line_end},
      {get("X\nY: b\r\n"), E::bad_line_end},
      {get("X : a\r\n"), E::bad_header_name},
      {get("X\t: a\r\n"), E::bad_header_name},
      {get("Content-Length : 5\r\n"), E::bad_header_name},
      {get("Transfer-Encoding : chunked\r\n"), E::bad_header_name},
      {get("X\r\n"), E::bad_header_name},
      {get(": a\r\n"), E::bad_header_name},
      {get("X Y: a\r\n"), E::bad_header_name},
      {get("X@: a\r\n"), E::bad_header_name},
      {get("X(a): a\r\n"), E::bad_header_name},
      {get("X[0]: a\r\n"), E::bad_header_name},
      {get("X/Y: a\r\n"), E::bad_header_name},
      {get("X=Y: a\r\n"), E::bad_header_name},
      {get("\"X\": a\r\n"), E::bad_header_name},
      {get("X\0: a\r\n"s), E::bad_header_name},
      {get("X\x80: a\r\n"), E::bad_header_name},
      {get("\xEF\xBB\xBFX: a\r\n"), E::bad_header_name},
      {get("X\x7F: a\r\n"), E::bad_header_name},
      {get("\x0BX: a\r\n"), E::bad_header_name},
      {get("X: a\0b\r\n"s), E::bad_header_value},
      {get("X: \0\r\n"s), E::bad_header_value},
      {get("X: a\x01\r\n"), E::bad_header_value},
      {get("X: a\x08\r\n"), E::bad_header_value},
      {get("X: a\x0B\r\n"), E::bad_header_value},
      {get("X: a\x0C\r\n"), E::bad_header_value},
      {get("X: a\x1B\r\n"), E::bad_header_value},
      {get("X: a\x1F\r\n"), E::bad_header_value},
      {get("X: a\x7F\r\n"), E::bad_header_value},
      {get("X: 0123456789abcdef\x7F\r\n"), E::bad_header_value},
      {get("X: 0123456\x00"
           "89abcdef\r\n"s),
       E::bad_header_value},
      {get("X: a\r\n b\r\n"), E::obs_fold},
      {get("X: a\r\n\tb\r\n"), E::obs_fold},
      {get("X: a\r\n \r\n"), E::obs_fold},
      {get("Transfer-Encoding:\r\n chunked\r\n"), E::obs_fold},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", E::obs_fold},
      {"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", E::obs_fold},
  });
}

TEST(RequestRefusals, Host) {
  expect_refused({
      {"GET / HTTP/1.1\r\n\r\n", E::missing_host},
      {"GET / HTTP/1.1\r\nHosts: a\r\n\r\n", E::missing_host},
      {"GET http://a/ HTTP/1.1\r\n\r\n", E::missing_host},
      {"CONNECT a:443 HTTP/1.1\r\n\r\n", E::missing_host},
      {"OPTIONS * HTTP/1.1\r\n\r\n", E::missing_host},
      {get("Host: a\r\n"), E::repeated_host},
      {get("host: b\r\n"), E::repeated_host},
      {"GET / HTTP/1.0\r\nHost: a\r\nHOST: a\r\n\r\n", E::repeated_host},
      {host(""), E::bad_host},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", E::bad_host},
      {"GET / HTTP/1.0\r\nHost:\r\n\r\n", E::bad_host},
      {host("a b"), E::bad_host},
      {host("a, b"), E::bad_host},
      {host("a,b"), E::bad_host},
      {host("a/b"), E::bad_host},
      {host("a?b"), E::bad_host},
      {host("a#b"), E::bad_host},
      {host("a@b"), E::bad_host},
      {host("u:p@b"), E::bad_host},
      {host("a\\b"), E::bad_host},
      {host("a%00"), E::bad_host},
      {host("a%2eb"), E::bad_host},
      {host("a<b>"), E::bad_host},
      {host("a\tb"), E::bad_host},
      {host("\xC3\xA9.example"), E::bad_host},
      {host(".a"), E::bad_host},
      {host("a..b"), E::bad_host},
      {host(":80"), E::bad_host},
      {host("a:"), E::bad_host},
      {host("a:b"), E::bad_host},
      {host("a:80:80"), E::bad_host},
      {host("a:+80"), E::bad_host},
      {host("a:-1"), E::bad_host},
      {host("a:0"), E::bad_host},
      {host("a:65536"), E::bad_host},
      {host("a:000080"), E::bad_host},
      {host("::1"), E::bad_host},
      {host("[::1"), E::bad_host},
      {host("::1]"), E::bad_host},
      {host("[]"), E::bad_host},
      {host("[a]"), E::bad_host},
      {host("[::1]80"), E::bad_host},
      {host("[::1]:"), E::bad_host},
      {host("[fe80::1%25eth0]"), E::bad_host},
      {host("[v1.a]"), E::bad_host},
      {host("[1.2.3.4]"), E::bad_host},
      {host("http://a"), E::bad_host},
      {"GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", E::bad_host},
  });
}

TEST(RequestRefusals, Framing) {
  expect_refused({
      {post("Content-Length: \r\n"), E::bad_content_length},
      {post("Content-Length: +5\r\n"), E::bad_content_length},
      {post("Content-Length: -5\r\n"), E::bad_content_length},
      {post("Content-Length: 5 5\r\n"), E::bad_content_length},
      {post("Content-Length: 5, 5\r\n"), E::bad_content_length},
      {post("Content-Length: 5,5\r\n"), E::bad_content_length},
      {post("Content-Length: 5;\r\n"), E::bad_content_length},
      {post("Content-Length: 0x5\r\n"), E::bad_content_length},
      {post("Content-Length: 5a\r\n"), E::bad_content_length},
      {post("Content-Length: 5.0\r\n"), E::bad_content_length},
      {post("Content-Length: 1e3\r\n"), E::bad_content_length},
      {post("Content-Length: \"5\"\r\n"), E::bad_content_length},
      {post("Content-Length: \xB2\r\n"), E::bad_content_length},
      {post("Content-Length: 9223372036854775808\r\n"), E::bad_content_length},
      {post("Content-Length: 18446744073709551616\r\n"), E::bad_content_length},
      {post("Content-Length: 18446744073709551621\r\n"), E::bad_content_length},
      {post("Content-Length: 99999999999999999999999999\r\n"), E::bad_content_length},
      {post("Content-Length: 00000000000000000005\r\n"), E::bad_content_length},
      {post("Content-Length: 5\r\nContent-Length: 5\r\n"), E::repeated_content_length},
      {post("Content-Length: 5\r\ncontent-length: 6\r\n"), E::repeated_content_length},
      {post("Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n"), E::repeated_content_length},
      {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), E::content_length_with_transfer_encoding},
      {post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), E::content_length_with_transfer_encoding},
      {post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), E::content_length_with_transfer_encoding},
      {post("Transfer-Encoding: \r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: gzip\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: identity\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: gzip, chunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked, gzip\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked, chunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked,\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: ,chunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked;q=1\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: \"chunked\"\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: 'chunked'\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: xchunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunke\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked\x80\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), E::bad_transfer_encoding},
      {post("Transfer-Encoding: chunked\x0B\r\n"), E::bad_header_value},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", E::bad_transfer_encoding},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
       E::content_length_with_transfer_encoding},
      {post("Expect: 200-ok\r\n"), E::bad_expectation},
      {post("Expect: \r\n"), E::bad_expectation},
      {post("Expect: 100-continue, x\r\n"), E::bad_expectation},
      {post("Expect: 100-continue\r\nExpect: y\r\n"), E::bad_expectation},
      {"POST / HTTP/1.0\r\nExpect: x\r\n\r\n", E::bad_expectation},
      {post("Expect: x\r\nContent-Length: 5, 5\r\n"), E::bad_content_length},
  });
}

// The earliest byte at which each fault can be told.
TEST(RequestRefusals, AreToldAtTheFirstByteThatShowsThem) {
  const struct {
    std::string bytes;
    std::size_t fed;
  } cases[] = {
      {"\x16\x03\x01", 1},
      {" GET", 1},
      {"GET\r\n", 4},
      {"GET  /", 5},
      {"GET /a#bc", 7},
      {"GET / HTTX", 10},
      {"GET / HTTP/2.0\r\n", 14},
      {"GET foo HTTP/1.1\r\nHost", 18},
      {"GET / HTTP/1.1\r\n Host", 17},
      {"GET / HTTP/1.1\r\nHost : a", 21},
      {"GET / HTTP/1.1\r\nHost: a\x01\r\n", 24},
      {"GET / HTTP/1.1\r\nHost: a\rX", 25},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.bytes));
    http::RequestHead head;
    const Fed fed = feed_request(c.bytes, 1, head);
    EXPECT_EQ(fed.state, HeadResult::failed);
    EXPECT_EQ(fed.fed, c.fed);
  }
}

// Each single byte value at places where most of them are forbidden.
TEST(RequestRefusals, EveryByteValueInItsPlace) {
  for (int code = 0; code < 256; ++code) {
    const std::string c(1, static_cast<char>(code));
    SCOPED_TRACE(code);
    http::RequestHead head;
    const bool token = code > 0x20 && code < 0x7F && "\"(),/:;<=>?@[\\]{}"s.find(c) == std::string::npos;
    EXPECT_EQ(
        feed_request("G" + c + "T / HTTP/1.1\r\nHost: a\r\n\r\n", 0, head).state == HeadResult::complete,
        token);
    const bool target = code > 0x20 && code < 0x7F && c != "#";
    EXPECT_EQ(feed_request(to("/a" + c + "b"), 0, head).state == HeadResult::complete, target);
    EXPECT_EQ(feed_request(get("X" + c + "Y: a\r\n"), 0, head).state == HeadResult::complete,
              token || c == ":");
    const bool value = code == '\t' || (code >= 0x20 && code != 0x7F);
    EXPECT_EQ(feed_request(get("X: a" + c + "b\r\n"), 0, head).state == HeadResult::complete, value);
    EXPECT_EQ(
        feed_request(get("X: 0123456789" + c + "0123456789\r\n"), 0, head).state == HeadResult::complete,
        value);
  }
}

}  // namespace
}  // namespace sluice::http1
