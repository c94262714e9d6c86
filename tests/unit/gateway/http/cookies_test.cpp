#include "gateway/http/cookies.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

std::string value_of(const Headers& headers, std::string_view name) {
  return std::string(find_cookie(headers, name).value_or("(none)"));
}

TEST(CookiesTest, FindsTheFirstOfThatName) {
  Headers headers;
  headers.add("Cookie", "a=1; session=one; b=2; session=two");
  EXPECT_EQ(value_of(headers, "session"), "one");
  EXPECT_EQ(value_of(headers, "a"), "1");
  EXPECT_EQ(value_of(headers, "b"), "2");
  EXPECT_EQ(value_of(headers, "c"), "(none)");
}

TEST(CookiesTest, NamesHaveTheirCaseAndNoPartOfThemCounts) {
  Headers headers;
  headers.add("cookie", "Session=upper; xsession=longer; sessio=shorter");
  EXPECT_EQ(value_of(headers, "session"), "(none)");
}

TEST(CookiesTest, ValuesMayHaveAnythingButASemicolon) {
  Headers headers;
  headers.add("Cookie", "a=b=c; q=\"two words\"; e=; =nameless; alone;  spaced \t= value \t;n=;last=1");
  EXPECT_EQ(value_of(headers, "a"), "b=c");
  EXPECT_EQ(value_of(headers, "q"), "\"two words\"");
  EXPECT_EQ(value_of(headers, "e"), "");
  EXPECT_EQ(value_of(headers, "alone"), "(none)");
  EXPECT_EQ(value_of(headers, "spaced"), "value");
  EXPECT_EQ(value_of(headers, "n"), "");
  EXPECT_EQ(value_of(headers, "last"), "1");
}

TEST(CookiesTest, LooksInEveryCookieField) {
  Headers headers;
  headers.add("Cookie", "a=1");
  headers.add("Host", "b=2");
  headers.add("COOKIE", "b=3");
  EXPECT_EQ(value_of(headers, "b"), "3");
  EXPECT_EQ(value_of(Headers{}, "b"), "(none)");
}

std::vector<std::string> cookies_left(std::initializer_list<std::string_view> lines, std::string_view name) {
  Headers headers;
  headers.add("Accept", "*/*");
  for (const std::string_view line : lines) headers.add("cookie", line);
  remove_cookie(headers, name);
  std::vector<std::string> left;
  for (const Field& field : headers) {
    if (equals_ignore_case(field.name, "Cookie")) left.emplace_back(field.value);
  }
  return left;
}

TEST(CookiesTest, RemovesEveryOneOfThatNameAndNoOther) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(cookies_left({"a=1; node=x; b=2"}, "node"), (Lines{"a=1; b=2"}));
  EXPECT_EQ(cookies_left({"node=x;node=y ; b=2; Node=z; nodes=1; alone"}, "node"), (Lines{"b=2; Node=z; nodes=1; alone"}));
  EXPECT_EQ(cookies_left({"node=x", "a=1"}, "node"), (Lines{"a=1"}));
  EXPECT_EQ(cookies_left({" node = x ;; "}, "node"), Lines{});
  EXPECT_EQ(cookies_left({"a=1;  b=2;"}, "node"), (Lines{"a=1;  b=2;"})) << "as it came";
  EXPECT_EQ(cookies_left({}, "node"), Lines{});
}

}  // namespace
}  // namespace sluice::http
