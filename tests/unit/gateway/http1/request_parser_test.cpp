// Requests that are taken, and what is read out of them; limits at the exact byte; reuse.
#include "gateway/http1/request_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/gateway/http1/feeding.h"

namespace sluice::http1 {
namespace {

using http::BodyKind;
using http::RequestHead;
using http::TargetForm;
using http::Version;

std::string get(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }

// Everything that a head says, to compare two of them.
std::string summary(const RequestHead& head) {
  std::string out;
  for (const auto part : {head.method, head.target, head.authority, head.path, head.query}) {
    out.append(part).append("|");
  }
  out += std::to_string(static_cast<int>(head.form)) + std::to_string(static_cast<int>(head.version)) +
         std::to_string(static_cast<int>(head.body.kind)) + ":" + std::to_string(head.body.content_length) +
         (head.keep_alive ? "k" : "c") + (head.expect_continue ? "e" : "-");
  for (const http::Field& field : head.headers)
    out.append("\n").append(field.name).append("=").append(field.value);
  return out;
}

// Parses in every step width; the results must be the same. Returns that of the whole.
std::optional<std::string> parse_every_way(const std::string& bytes, RequestHead& head) {
  const Fed whole = feed_request(bytes, 0, head);
  EXPECT_EQ(whole.error, ParseError::none);
  EXPECT_EQ(whole.state, HeadResult::complete);
  EXPECT_EQ(whole.consumed, bytes.size());
  if (whole.state != HeadResult::complete) return std::nullopt;
  const std::string expected = summary(head);
  for (const std::size_t step : {1, 2, 5, 16}) {
    RequestHead other;
    EXPECT_TRUE(feed_request(bytes, step, other).same_outcome(whole)) << "step " << step;
    EXPECT_EQ(summary(other), expected) << "step " << step;
  }
  return expected;
}

TEST(RequestParser, Targets) {
  const struct {
    std::string line;
    TargetForm form;
    std::string_view authority, path, query;
  } cases[] = {
      {"GET / HTTP/1.1", TargetForm::origin, "h", "/", ""},
      {"GET /a/b?c=d HTTP/1.1", TargetForm::origin, "h", "/a/b", "?c=d"},
      {"GET /? HTTP/1.1", TargetForm::origin, "h", "/", "?"},
      {"GET /a?b?c HTTP/1.1", TargetForm::origin, "h", "/a", "?b?c"},
      {"GET //x/y HTTP/1.1", TargetForm::origin, "h", "//x/y", ""},
      {"GET /%2e%2e/ HTTP/1.1", TargetForm::origin, "h", "/%2e%2e/", ""},
      {"GET /a|b^{c}[d]\"`<>\\ HTTP/1.1", TargetForm::origin, "h", "/a|b^{c}[d]\"`<>\\", ""},
      {"GET /http://x/ HTTP/1.1", TargetForm::origin, "h", "/http://x/", ""},
      {"GET /* HTTP/1.1", TargetForm::origin, "h", "/*", ""},
      {"OPTIONS * HTTP/1.1", TargetForm::asterisk, "h", "*", ""},
      {"OPTIONS / HTTP/1.1", TargetForm::origin, "h", "/", ""},
      {"GET http://x/ HTTP/1.1", TargetForm::absolute, "x", "/", ""},
      {"GET http://x HTTP/1.1", TargetForm::absolute, "x", "/", ""},
      {"GET http://x?q HTTP/1.1", TargetForm::absolute, "x", "/", "?q"},
      {"GET http://x/?q HTTP/1.1", TargetForm::absolute, "x", "/", "?q"},
      {"GET HTTPS://X.example:8443/a?b HTTP/1.1", TargetForm::absolute, "X.example:8443", "/a", "?b"},
      {"GET http://[2001:db8::1]:80/a HTTP/1.1", TargetForm::absolute, "[2001:db8::1]:80", "/a", ""},
      {"GET http://x/a://b HTTP/1.1", TargetForm::absolute, "x", "/a://b", ""},
      {"GET http://x/@y HTTP/1.1", TargetForm::absolute, "x", "/@y", ""},
      {"OPTIONS http://x HTTP/1.1", TargetForm::asterisk, "x", "*", ""},
      {"OPTIONS http://x:80 HTTP/1.1", TargetForm::asterisk, "x:80", "*", ""},
      {"OPTIONS http://x/ HTTP/1.1", TargetForm::absolute, "x", "/", ""},
      {"OPTIONS http://x?q HTTP/1.1", TargetForm::absolute, "x", "/", "?q"},
      {"CONNECT x:443 HTTP/1.1", TargetForm::absolute, "x:443", "x:443", ""},
      {"CONNECT [::1]:443 HTTP/1.1", TargetForm::absolute, "[::1]:443", "[::1]:443", ""},
      {"TRACE / HTTP/1.1", TargetForm::origin, "h", "/", ""},
      {"M-SEARCH /x HTTP/1.1", TargetForm::origin, "h", "/x", ""},
      {"get / HTTP/1.1", TargetForm::origin, "h", "/", ""},
      {"!#$%&'*+-.^_`|~ / HTTP/1.1", TargetForm::origin, "h", "/", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    RequestHead head;
    ASSERT_TRUE(parse_every_way(c.line + "\r\nHost: h\r\n\r\n", head));
    EXPECT_EQ(head.form, c.form);
    EXPECT_EQ(head.authority, c.authority);
    EXPECT_EQ(head.path, c.path);
    EXPECT_EQ(head.query, c.query);
    EXPECT_EQ(head.method, c.line.substr(0, c.line.find(' ')));
    EXPECT_EQ(std::string(head.method) + " " + std::string(head.target) + " HTTP/1.1", c.line);
  }
}

TEST(RequestParser, Hosts) {
  for (const std::string host :
       {"a", "a.example", "a.example.", "a_b.example", "A-1~x", "1.2.3.4", "1.2.3.4:1", "a:65535", "a:00080",
        "[::1]", "[2001:DB8::1]:443", "[::ffff:1.2.3.4]"}) {
    SCOPED_TRACE(host);
    RequestHead head;
    ASSERT_TRUE(parse_every_way("GET / HTTP/1.1\r\nhOST: \t" + host + " \t\r\n\r\n", head));
    EXPECT_EQ(head.authority, host);
  }
}

TEST(RequestParser, HostIsOptionalOn10) {
  RequestHead head;
  ASSERT_TRUE(parse_every_way("GET /x HTTP/1.0\r\n\r\n", head));
  EXPECT_EQ(head.version, Version::http_1_0);
  EXPECT_EQ(head.authority, "");
  ASSERT_TRUE(parse_every_way("GET /x HTTP/1.0\r\nHost: b:1\r\n\r\n", head));
  EXPECT_EQ(head.authority, "b:1");
}

TEST(RequestParser, AbsoluteAuthorityWinsOverHost) {
  RequestHead head;
  ASSERT_TRUE(parse_every_way("GET http://x:1/ HTTP/1.1\r\nHost: y\r\n\r\n", head));
  EXPECT_EQ(head.authority, "x:1");
  EXPECT_EQ(head.headers.find("host"), "y");
}

TEST(RequestParser, BodyAndConnection) {
  const struct {
    std::string_view version, fields;
    BodyKind kind;
    std::uint64_t length;
    bool keep_alive, expect;
  } cases[] = {
      {"1.1", "", BodyKind::none, 0, true, false},
      {"1.1", "Content-Length: 0\r\n", BodyKind::length, 0, true, false},
      {"1.1", "content-length:5\r\n", BodyKind::length, 5, true, false},
      {"1.1", "Content-Length: \t 0005 \r\n", BodyKind::length, 5, true, false},
      {"1.1", "Content-Length: 9223372036854775807\r\n", BodyKind::length, 9223372036854775807U, true, false},
      {"1.1", "Transfer-Encoding: chunked\r\n", BodyKind::chunked, 0, true, false},
      {"1.1", "TRANSFER-ENCODING: ChUnKeD\t\r\n", BodyKind::chunked, 0, true, false},
      {"1.1", "Connection: close\r\n", BodyKind::none, 0, false, false},
      {"1.1", "Connection: x, CLOSE ,y\r\n", BodyKind::none, 0, false, false},
      {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", BodyKind::none, 0, false, false},
      {"1.1", "Connection: closed\r\n", BodyKind::none, 0, true, false},
      {"1.1", "Connection: upgrade\r\nUpgrade: websocket\r\n", BodyKind::none, 0, true, false},
      {"1.1", "Proxy-Connection: close\r\n", BodyKind::none, 0, true, false},
      {"1.0", "", BodyKind::none, 0, false, false},
      {"1.0", "Connection: keep-alive\r\n", BodyKind::none, 0, true, false},
      {"1.0", "Connection: Keep-Alive, close\r\n", BodyKind::none, 0, false, false},
      {"1.0", "Content-Length: 3\r\n", BodyKind::length, 3, false, false},
      {"1.1", "Expect: 100-continue\r\n", BodyKind::none, 0, true, false},
      {"1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", BodyKind::length, 0, true, false},
      {"1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", BodyKind::length, 1, true, true},
      {"1.1", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", BodyKind::chunked, 0, true, true},
      {"1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", BodyKind::length, 1, false, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.version) + " " + std::string(c.fields));
    RequestHead head;
    ASSERT_TRUE(parse_every_way(
        "POST / HTTP/" + std::string(c.version) + "\r\nHost: a\r\n" + std::string(c.fields) + "\r\n", head));
    EXPECT_EQ(head.body.kind, c.kind);
    EXPECT_EQ(head.body.content_length, c.length);
    EXPECT_EQ(head.keep_alive, c.keep_alive);
    EXPECT_EQ(head.expect_continue, c.expect);
  }
}

TEST(RequestParser, FieldValues) {
  const struct {
    std::string line;
    std::string_view name, value;
  } cases[] = {
      {"X:", "X", ""},
      {"X: ", "X", ""},
      {"X: \t ", "X", ""},
      {"X:a", "X", "a"},
      {"X: a", "X", "a"},
      {"X:\t a \t", "X", "a"},
      {"X: a b\tc ", "X", "a b\tc"},
      {"X: \xC3\xA9\x80\xFF", "X", "\xC3\xA9\x80\xFF"},
      {"X::a", "X", ":a"},
      {"X: \"q,;=\"", "X", "\"q,;=\""},
      {"x_y: 1", "x_y", "1"},
      {"!#$%&'*+-.^_`|~09azAZ: 1", "!#$%&'*+-.^_`|~09azAZ", "1"},
      {"X: 0123456789abcdef0123456789abcdef", "X", "0123456789abcdef0123456789abcdef"},
      {"X: 0123456789\tabcdef0123456789abcdef", "X", "0123456789\tabcdef0123456789abcdef"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.line));
    RequestHead head;
    ASSERT_TRUE(parse_every_way(get(c.line + "\r\n"), head));
    ASSERT_EQ(head.headers.size(), 2U);
    const http::Field& field = *(head.headers.begin() + 1);
    EXPECT_EQ(field.name, c.name);
    EXPECT_EQ(field.value, c.value);
  }
}

TEST(RequestParser, EmptyLinesInFrontAreConsumed) {
  for (const std::string empty : {"\r\n", "\r\n\r\n"}) {
    RequestHead head;
    ASSERT_TRUE(parse_every_way(empty + get(""), head));
    EXPECT_EQ(head.method, "GET");
    EXPECT_EQ(head.bytes, get(""));
  }
}

TEST(RequestParser, TakesOneHeadAndLeavesTheRest) {
  const std::string first = get("X: 1\r\n");
  const std::string second = "POST /2 HTTP/1.1\r\nHost: b\r\n\r\n";
  std::string bytes = first + second + "body";
  RequestParser parser({});
  RequestHead head;
  const HeadResult one = parser.parse(bytes, head);
  ASSERT_EQ(one.state, HeadResult::complete);
  EXPECT_EQ(one.consumed, first.size());
  parser.reset();
  bytes.erase(0, one.consumed);
  const HeadResult two = parser.parse(bytes, head);
  ASSERT_EQ(two.state, HeadResult::complete);
  EXPECT_EQ(two.consumed, second.size());
  EXPECT_EQ(head.path, "/2");
  EXPECT_EQ(head.authority, "b");
  EXPECT_EQ(head.headers.size(), 1U);
}

TEST(RequestParser, ViewsOutliveTheBytes) {
  RequestHead head;
  {
    RequestParser parser({});
    const auto bytes = std::make_unique<std::string>(get("Cookie: c=1\r\n"));
    ASSERT_EQ(parser.parse(*bytes, head).state, HeadResult::complete);
  }
  EXPECT_EQ(head.headers.find("cookie"), "c=1");
  EXPECT_EQ(head.path, "/");
  const RequestHead moved = std::move(head);
  EXPECT_EQ(moved.headers.find("cookie"), "c=1");
}

TEST(RequestParser, NeverCompletesOnAPrefix) {
  const std::string bytes = "\r\nPOST /a?b HTTP/1.1\r\nHost: a:1\r\nContent-Length: 4\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    RequestParser parser({});
    RequestHead head;
    EXPECT_EQ(parser.parse(std::string_view(bytes).substr(0, size), head).state, HeadResult::incomplete)
        << size;
  }
}

TEST(RequestParser, MemoryOfAHeadIsReused) {
  RequestParser parser({});
  RequestHead head;
  const std::string bytes = get("X: " + std::string(500, 'x') + "\r\n");
  ASSERT_EQ(parser.parse(bytes, head).state, HeadResult::complete);
  const char* const memory = head.bytes.data();
  parser.reset();
  ASSERT_EQ(parser.parse(bytes, head).state, HeadResult::complete);
  EXPECT_EQ(head.bytes.data(), memory);
}

// What has a limit is accepted with exactly that many bytes and refused with one more, however it is fed.
class RequestLimits : public ::testing::TestWithParam<std::size_t> {
 protected:
  Fed parse(const std::string& bytes, const HeadLimits& limits) {
    RequestHead head;
    return feed_request(bytes, GetParam(), head, limits);
  }
};

TEST_P(RequestLimits, RequestLine) {
  const std::string line = "GET /abc HTTP/1.1";
  const std::string bytes = line + "\r\nHost: a\r\n\r\n";
  EXPECT_EQ(parse(bytes, {.max_line = line.size()}).state, HeadResult::complete);
  for (std::size_t max = 1; max < line.size(); ++max) {
    EXPECT_EQ(parse(bytes, {.max_line = max}).error, ParseError::request_line_too_long) << max;
  }
}

TEST_P(RequestLimits, EndlessRequestLineIsRefusedBeforeItEnds) {
  for (const std::string start : {"", "GET /"}) {
    const Fed fed = parse(start + std::string(100, 'A'), {.max_line = 50});
    EXPECT_EQ(fed.error, ParseError::request_line_too_long);
    EXPECT_EQ(fed.fed, GetParam() == 0 ? start.size() + 100 : 51);
  }
}

TEST_P(RequestLimits, Head) {
  const std::string bytes = get("X: 0123456789\r\n");
  EXPECT_EQ(parse(bytes, {.max_head = bytes.size()}).state, HeadResult::complete);
  EXPECT_EQ(parse("\r\n" + bytes, {.max_head = bytes.size()}).state, HeadResult::complete);
  for (std::size_t max = 1; max < bytes.size(); ++max) {
    const Fed fed = parse(bytes, {.max_head = max});
    EXPECT_EQ(fed.error, ParseError::head_too_large) << max;
    EXPECT_EQ(fed.fed, GetParam() == 1 ? max : fed.fed);
  }
}

TEST_P(RequestLimits, Headers) {
  const std::string bytes = get("A: 1\r\nB: 2\r\n");
  EXPECT_EQ(parse(bytes, {.max_headers = 3}).state, HeadResult::complete);
  EXPECT_EQ(parse(bytes, {.max_headers = 2}).error, ParseError::too_many_headers);
  EXPECT_EQ(parse(bytes, {.max_headers = 0}).error, ParseError::too_many_headers);
}

INSTANTIATE_TEST_SUITE_P(Steps, RequestLimits, ::testing::Values(0, 1, 3));

TEST(ParseErrors, EachHasANameAStatusAndASentence) {
  std::vector<std::string_view> names;
  for (int i = 0; i < static_cast<int>(ParseError::count_); ++i) {
    const auto error = static_cast<ParseError>(i);
    EXPECT_FALSE(name_of(error).empty());
    EXPECT_FALSE(describe(error).empty());
    EXPECT_GE(status_of(error), 400U);
    EXPECT_EQ(std::count(names.begin(), names.end(), name_of(error)), 0);
    names.push_back(name_of(error));
  }
  EXPECT_EQ(name_of(ParseError::bad_host), "bad_host");
  EXPECT_EQ(name_of(ParseError::bad_expectation), "bad_expectation");
  EXPECT_EQ(status_of(ParseError::bad_host), 400U);
  EXPECT_EQ(status_of(ParseError::request_line_too_long), 414U);
  EXPECT_EQ(status_of(ParseError::head_too_large), 431U);
  EXPECT_EQ(status_of(ParseError::too_many_headers), 431U);
  EXPECT_EQ(status_of(ParseError::trailers_too_large), 431U);
  EXPECT_EQ(status_of(ParseError::bad_expectation), 417U);
  EXPECT_EQ(status_of(ParseError::unsupported_version), 505U);
}

}  // namespace
}  // namespace sluice::http1
