#include "gateway/http2/request_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"
#include "tests/support/print_parse_error.h"

namespace sluice::http2 {
namespace {

using http::BodyKind;
using http::ParseError;
using http::TargetForm;
using test::h2::Fields;
using test::h2::request;
using testing::ElementsAre;
using testing::Pair;

struct Built {
  ParseError error = ParseError::none;
  http::RequestHead head;
  bool hopeless = false;
};

Built build(const Fields& fields, bool ended = true, const RequestLimits& limits = {}) {
  RequestBuilder builder;
  builder.begin(limits);
  Built built;
  for (const auto& [name, value] : fields) {
    // Memory of its own for each, so that a view into it is seen.
    const std::string name_copy = name, value_copy = value;
    if (!builder.add(name_copy, value_copy)) built.hopeless = true;
  }
  http::RequestHead head;
  built.error = builder.finish(head, ended);
  built.head = std::move(head);
  return built;
}

Fields fields_of(const http::Headers& headers) {
  Fields fields;
  for (const http::Field& field : headers) fields.emplace_back(field.name, field.value);
  return fields;
}

Fields to(std::string_view path, std::string_view method = "GET") {
  Fields fields = request(method);
  fields[2].second = path;
  return fields;
}
Fields at(std::string_view authority, const Fields& more = {}, std::string_view scheme = "https") {
  Fields fields = request("GET", more);
  fields[1].second = scheme;
  fields[3].second = authority;
  return fields;
}
Fields without_authority(const Fields& more) {
  Fields fields = request("GET", more);
  fields.erase(fields.begin() + 3);
  return fields;
}

TEST(RequestBuilder, MakesAHeadAsHttp1Would) {
  Fields fields = to("/a/../b?c=d");
  fields.emplace_back("accept", "*/*");
  fields.emplace_back("x-empty", "");
  const Built built = build(fields);
  EXPECT_EQ(built.error, ParseError::none);
  EXPECT_EQ(built.head.method, "GET");
  EXPECT_EQ(built.head.target, "/a/../b?c=d");
  EXPECT_EQ(built.head.path, "/a/../b");
  EXPECT_EQ(built.head.query, "?c=d");
  EXPECT_EQ(built.head.form, TargetForm::origin);
  EXPECT_EQ(built.head.authority, "a.example");
  EXPECT_EQ(built.head.version, http::Version::http_2);
  EXPECT_TRUE(built.head.keep_alive);
  EXPECT_EQ(built.head.bytes, "");
  EXPECT_THAT(fields_of(built.head.headers),
              ElementsAre(Pair("Host", "a.example"), Pair("accept", "*/*"), Pair("x-empty", "")));
}

TEST(RequestBuilder, CanBeUsedAgain) {
  RequestBuilder builder;
  http::RequestHead heads[2];
  for (http::RequestHead& head : heads) {
    builder.begin({});
    for (const auto& [name, value] :
         request("POST", {{"cookie", "a=1"}, {"expect", "100-continue"}, {"content-length", "3"}}))
      builder.add(name, value);
    EXPECT_EQ(builder.finish(head, false), ParseError::none);
  }
  for (const http::RequestHead& head : heads) {
    EXPECT_TRUE(head.expect_continue);
    EXPECT_EQ(head.headers.find("cookie"), "a=1");
    EXPECT_EQ(head.headers.count("content-length"), 1u);
  }
  builder.begin({});
  builder.add(":method", "GET");
  http::RequestHead bare;
  EXPECT_NE(builder.finish(bare, true), ParseError::none);
  EXPECT_TRUE(bare.headers.empty());
}

TEST(RequestBuilder, Targets) {
  const struct {
    Fields fields;
    ParseError error;
  } cases[] = {
      {to("/"), ParseError::none},
      {to("*", "OPTIONS"), ParseError::none},
      {to("*"), ParseError::bad_target},
      {to(""), ParseError::bad_target},
      {to("a"), ParseError::bad_target},
      {to("?a"), ParseError::bad_target},
      {to("http://b.example/"), ParseError::bad_target},  // RFC 9113 8.3.1 has it in parts
      {to("/a#b"), ParseError::bad_target},
      {to("/a b"), ParseError::bad_target},
      {to("/a\xc3\xa4"), ParseError::bad_target},
      {to("/", ""), ParseError::bad_method},
      {to("/", "GE T"), ParseError::bad_method},
      {at("a.example", {}, "http"), ParseError::none},
      {at("a.example", {}, "HTTPS"), ParseError::none},
      {at("a.example", {}, "ftp"), ParseError::bad_scheme},
      {at("a.example", {}, ""), ParseError::bad_scheme},
      {{{":method", "GET"}, {":path", "/"}, {":authority", "a.example"}}, ParseError::bad_scheme},
      {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}}, ParseError::bad_target},
      {{{":scheme", "http"}, {":path", "/"}, {":authority", "a.example"}}, ParseError::bad_method},
  };
  for (const auto& c : cases) EXPECT_EQ(build(c.fields).error, c.error) << testing::PrintToString(c.fields);
  EXPECT_EQ(build(to("*", "OPTIONS")).head.form, TargetForm::asterisk);
}

TEST(RequestBuilder, ConnectIsRead) {
  const Built built = build({{":method", "CONNECT"}, {":authority", "a.example:443"}});
  EXPECT_EQ(built.error, ParseError::none);
  EXPECT_EQ(built.head.target, "a.example:443");
  EXPECT_EQ(built.head.path, "a.example:443");
  EXPECT_EQ(built.head.authority, "a.example:443");
  EXPECT_EQ(build({{":method", "CONNECT"}, {":authority", "a.example"}}).error, ParseError::bad_target);
}

// RFC 8441 4: its target is that of any other request, and what follows its head is no body.
TEST(RequestBuilder, ExtendedConnect) {
  Fields fields = to("/chat?a=b", "CONNECT");
  fields.emplace(fields.begin(), ":protocol", "websocket");
  const Built built = build(fields, false);
  EXPECT_EQ(built.error, ParseError::none);
  EXPECT_EQ(built.head.method, "CONNECT");
  EXPECT_EQ(built.head.protocol, "websocket");
  EXPECT_EQ(built.head.path, "/chat");
  EXPECT_EQ(built.head.query, "?a=b");
  EXPECT_EQ(built.head.authority, "a.example");
  EXPECT_EQ(built.head.body.kind, http::BodyKind::none);
  EXPECT_EQ(build(fields, true).error, ParseError::connect_with_body);
  fields.emplace_back("content-length", "0");
  EXPECT_EQ(build(fields, false).error, ParseError::connect_with_body);
  for (const std::string_view path : {"*", "", "a.example:443"}) {
    fields = to(path, "CONNECT");
    fields.emplace(fields.begin(), ":protocol", "websocket");
    EXPECT_EQ(build(fields, false).error, ParseError::bad_target) << path;
  }
}

TEST(RequestBuilder, Authorities) {
  const struct {
    Fields fields;
    ParseError error;
    std::string_view authority;
  } cases[] = {
      {at("a.example"), ParseError::none, "a.example"},
      {at("a.example:8443"), ParseError::none, "a.example:8443"},
      {at("[::1]:8443"), ParseError::none, "[::1]:8443"},
      {at(""), ParseError::bad_host, ""},
      {at("user@a.example"), ParseError::bad_host, "user@a.example"},
      {at("a.example:0"), ParseError::bad_host, "a.example:0"},
      {at("a.example, b.example"), ParseError::bad_host, "a.example, b.example"},
      {without_authority({{"host", "b.example"}}), ParseError::none, "b.example"},
      {without_authority({{"host", ""}}), ParseError::bad_host, ""},
      {without_authority({}), ParseError::missing_host, ""},
      {at("a.example", {{"host", "a.example"}}), ParseError::none, "a.example"},
      {at("a.example", {{"host", "A.Example"}}), ParseError::none, "a.example"},
      {at("a.example", {{"host", "a.example:443"}}), ParseError::none, "a.example"},
      {at("a.example:80", {{"host", "a.example"}}, "http"), ParseError::none, "a.example:80"},
      {at("a.example", {{"host", "a.example:80"}}), ParseError::ambiguous_authority, "a.example"},
      {at("a.example", {{"host", "b.example"}}), ParseError::ambiguous_authority, "a.example"},
      {at("a.example", {{"host", ""}}), ParseError::ambiguous_authority, "a.example"},
      {at("a.example", {{"host", "a.example"}, {"host", "a.example"}}), ParseError::repeated_host,
       "a.example"},
  };
  for (const auto& c : cases) {
    const Built built = build(c.fields);
    EXPECT_EQ(built.error, c.error) << testing::PrintToString(c.fields);
    EXPECT_EQ(built.head.authority, c.authority) << testing::PrintToString(c.fields);
    EXPECT_LE(built.head.headers.count("Host"), 1u);
    if (c.error == ParseError::none) {
      EXPECT_EQ(built.head.headers.find("Host"), c.authority);
    }
  }
}

TEST(RequestBuilder, JoinsCookies) {
  const Built built =
      build(request("GET", {{"cookie", "a=1"}, {"x", "y"}, {"cookie", ""}, {"cookie", "b=2; c=3"}}));
  EXPECT_EQ(built.error, ParseError::none);
  EXPECT_EQ(built.head.headers.count("Cookie"), 1u);
  EXPECT_EQ(built.head.headers.find("Cookie"), "a=1; b=2; c=3");
  EXPECT_EQ(build(request("GET", {{"cookie", ""}})).head.headers.count("Cookie"), 0u);
}

TEST(RequestBuilder, Bodies) {
  const struct {
    Fields more;
    bool ended;
    ParseError error;
    BodyKind kind;
    std::uint64_t length;
  } cases[] = {
      {{}, true, ParseError::none, BodyKind::none, 0},
      {{}, false, ParseError::none, BodyKind::chunked, 0},
      {{{"content-length", "5"}}, false, ParseError::none, BodyKind::length, 5},
      {{{"content-length", "0"}}, true, ParseError::none, BodyKind::length, 0},
      {{{"content-length", "0"}}, false, ParseError::none, BodyKind::length, 0},
      {{{"content-length", "5"}}, true, ParseError::bad_content_length, BodyKind::length, 5},
      {{{"content-length", "x"}}, false, ParseError::bad_content_length, BodyKind::chunked, 0},
      {{{"content-length", "5"}, {"content-length", "5"}},
       false,
       ParseError::repeated_content_length,
       BodyKind::length,
       5},
      {{{"transfer-encoding", "chunked"}}, false, ParseError::bad_transfer_encoding, BodyKind::chunked, 0},
  };
  for (const auto& c : cases) {
    const Built built = build(request("POST", c.more), c.ended);
    EXPECT_EQ(built.error, c.error) << testing::PrintToString(c.more);
    EXPECT_EQ(built.head.body.kind, c.kind) << testing::PrintToString(c.more);
    EXPECT_EQ(built.head.body.content_length, c.length) << testing::PrintToString(c.more);
    EXPECT_FALSE(built.head.headers.contains("transfer-encoding"));
  }
}

TEST(RequestBuilder, Expectations) {
  const Fields expects{{"expect", "100-Continue"}};
  EXPECT_TRUE(build(request("POST", expects), false).head.expect_continue);
  EXPECT_FALSE(build(request("POST", expects), true).head.expect_continue);  // there is no body to wait for
  EXPECT_FALSE(build(request("POST", {{"expect", "100-continue"}, {"content-length", "0"}}), false)
                   .head.expect_continue);
  EXPECT_FALSE(build(request("POST"), false).head.expect_continue);
  EXPECT_EQ(build(request("POST", {{"expect", "a-miracle"}}), false).error, ParseError::bad_expectation);
}

TEST(RequestBuilder, LimitsTheLine) {
  const RequestLimits limits{.max_line = std::string_view("GET /234567 HTTP/1.1").size()};
  EXPECT_EQ(build(to("/234567"), true, limits).error, ParseError::none);
  EXPECT_EQ(build(to("/2345678"), true, limits).error, ParseError::request_line_too_long);
  EXPECT_EQ(build(to("/23456", "POSTS"), true, limits).error, ParseError::request_line_too_long);
  EXPECT_EQ(build(to("/" + std::string(100, 'a')), true, limits).error, ParseError::request_line_too_long);
}

TEST(RequestBuilder, LimitsTheList) {
  std::size_t size = 0;
  const Fields fields = request("GET", {{"x", "12345"}});
  for (const auto& [name, value] : fields) size += name.size() + value.size() + 32;
  EXPECT_EQ(build(fields, true, {.max_header_list = size}).error, ParseError::none);
  const Built over = build(fields, true, {.max_header_list = size - 1});
  EXPECT_EQ(over.error, ParseError::head_too_large);
  EXPECT_FALSE(over.head.headers.contains("x"));
  EXPECT_EQ(over.head.path, "/");  // what the answer and the log need is there
}

TEST(RequestBuilder, GivesUpOnWhatIsFarTooLarge) {
  const RequestLimits limits{.max_header_list = 400};
  Fields fields = request();
  std::size_t size = 0;
  for (const auto& [name, value] : fields) size += name.size() + value.size() + 32;
  fields.emplace_back("x", std::string(1600 - size - 33, 'a'));
  EXPECT_FALSE(build(fields, true, limits).hopeless);
  fields.back().second += 'a';
  EXPECT_TRUE(build(fields, true, limits).hopeless);
}

TEST(RequestBuilder, LimitsTheNumberOfFields) {
  const RequestLimits limits{.max_headers = 3};
  EXPECT_EQ(build(request("GET", {{"a", ""}, {"b", ""}, {"c", ""}}), true, limits).error, ParseError::none);
  EXPECT_EQ(build(request("GET", {{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}), true, limits).error,
            ParseError::too_many_headers);
  const Fields crumbs{{"a", ""}, {"b", ""}, {"cookie", "1"}, {"cookie", "2"}, {"cookie", "3"}};
  EXPECT_EQ(build(request("GET", crumbs), true, limits).error, ParseError::none);
  EXPECT_EQ(build(request("GET", {{"a", ""}, {"b", ""}, {"c", ""}, {"cookie", "1"}}), true, limits).error,
            ParseError::too_many_headers);
}

TEST(RequestBuilder, TheFirstFaultIsTold) {
  EXPECT_EQ(build(request("GET", {{"content-length", "x"}, {"expect", "y"}})).error,
            ParseError::bad_content_length);
}

}  // namespace
}  // namespace sluice::http2
