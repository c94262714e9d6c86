#include "gateway/http2/response_builder.h"

#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"
#include "tests/support/print_parse_error.h"

namespace sluice::http2 {
namespace {

using http::BodyKind;
using http::ParseError;
using test::h2::Fields;

struct Built {
  ParseError error = ParseError::none;
  http::ResponseHead head;
  bool hopeless = false;
};

Built build(const Fields& fields, bool head_request = false, const ResponseLimits& limits = {}) {
  ResponseBuilder builder;
  builder.begin(limits);
  Built built;
  for (const auto& [name, value] : fields) {
    // Memory of its own for each, so that a view into it is seen.
    const std::string name_copy = name, value_copy = value;
    if (!builder.add(name_copy, value_copy)) built.hopeless = true;
  }
  built.error = builder.finish(built.head, head_request);
  return built;
}

TEST(ResponseBuilderTest, Head) {
  const Built built = build({{":status", "201"}, {"x-a", "1"}, {"x-a", "2"}});
  EXPECT_EQ(built.error, ParseError::none);
  EXPECT_EQ(built.head.status, 201U);
  EXPECT_EQ(built.head.reason, "Created");
  EXPECT_EQ(built.head.version, http::Version::http_2);
  EXPECT_EQ(built.head.headers.size(), 2U);
  EXPECT_EQ(built.head.body.kind, BodyKind::chunked);
}

TEST(ResponseBuilderTest, BodyLengths) {
  const Fields with_length{{":status", "200"}, {"content-length", "7"}};
  EXPECT_EQ(build(with_length).head.body.kind, BodyKind::length);
  EXPECT_EQ(build(with_length).head.body.content_length, 7U);
  EXPECT_EQ(build(with_length, true).head.body.kind, BodyKind::none);
  EXPECT_TRUE(build(with_length, true).head.headers.contains("Content-Length"));
  EXPECT_EQ(build({{":status", "304"}, {"content-length", "7"}}).head.body.kind, BodyKind::none);
  EXPECT_EQ(build({{":status", "204"}}).head.body.kind, BodyKind::none);
  EXPECT_EQ(build({{":status", "103"}}).head.body.kind, BodyKind::none);
}

TEST(ResponseBuilderTest, Limits) {
  EXPECT_EQ(build({{":status", "200"}, {"a", "1"}, {"b", "2"}}, false, {1024, 2}).error, ParseError::none);
  EXPECT_EQ(build({{":status", "200"}, {"a", "1"}, {"b", "2"}, {"c", "3"}}, false, {1024, 2}).error, ParseError::too_many_headers);
  const Built large = build({{":status", "200"}, {"a", std::string(1024, 'x')}}, false, {1024, 2});
  EXPECT_EQ(large.error, ParseError::head_too_large);
  EXPECT_FALSE(large.hopeless);
  EXPECT_TRUE(build({{":status", "200"}, {"a", std::string(5000, 'x')}}, false, {1024, 2}).hopeless);
  EXPECT_EQ(build({{":status", "600"}}).error, ParseError::bad_status_line);
}

TEST(ResponseBuilderTest, OneAfterAnother) {
  ResponseBuilder builder;
  http::ResponseHead head;
  builder.begin({});
  builder.add(":status", "103");
  builder.add("link", "</a>");
  EXPECT_EQ(builder.finish(head, false), ParseError::none);
  builder.begin({});
  builder.add(":status", "200");
  EXPECT_EQ(builder.finish(head, false), ParseError::none);
  EXPECT_EQ(head.status, 200U);
  EXPECT_TRUE(head.headers.empty());
}

}  // namespace
}  // namespace sluice::http2
