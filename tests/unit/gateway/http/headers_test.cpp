#include "gateway/http/headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "gateway/http/message.h"

namespace sluice::http {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> lines(const Headers& headers) {
  std::vector<std::string> out;
  for (const Field& field : headers) out.push_back(std::string(field.name) + "=" + std::string(field.value));
  return out;
}

TEST(EqualsIgnoreCase, OnlyLettersFold) {
  EXPECT_TRUE(equals_ignore_case("Content-TYPE", "content-type"));
  EXPECT_TRUE(equals_ignore_case("", ""));
  EXPECT_FALSE(equals_ignore_case("a", "ab"));
  EXPECT_FALSE(equals_ignore_case("@", "`"));
  EXPECT_FALSE(equals_ignore_case("[", "{"));
  EXPECT_FALSE(equals_ignore_case("\xC3", "\xE3"));
}

TEST(Headers, KeepsOrderAndCase) {
  Headers headers;
  headers.add("B", "1");
  headers.add("a", "2");
  headers.add("b", "3");
  EXPECT_THAT(lines(headers), ElementsAre("B=1", "a=2", "b=3"));
  EXPECT_EQ(headers.find("b"), "1");
  EXPECT_EQ(headers.count("B"), 2U);
  EXPECT_EQ(headers.find("c"), std::nullopt);
  EXPECT_FALSE(headers.contains("c"));
}

TEST(Headers, SetReplacesEveryLine) {
  Headers headers;
  headers.add("A", "1");
  headers.add("B", "2");
  headers.add("a", "3");
  headers.set("A", "4");
  EXPECT_THAT(lines(headers), ElementsAre("B=2", "A=4"));
}

TEST(Headers, SetFromItsOwnValue) {
  Headers headers;
  headers.add("A", "value");
  headers.set("A", *headers.find("A"));
  EXPECT_THAT(lines(headers), ElementsAre("A=value"));
}

TEST(Headers, RemoveTellsHowMany) {
  Headers headers;
  headers.add("A", "1");
  headers.add("a", "2");
  headers.add("B", "3");
  EXPECT_EQ(headers.remove("A"), 2U);
  EXPECT_EQ(headers.remove("A"), 0U);
  headers.remove_if([](const Field& field) { return field.value == "3"; });
  EXPECT_TRUE(headers.empty());
}

TEST(Headers, TokensOverSeveralLines) {
  Headers headers;
  headers.add("Connection", "keep-alive ,\tFoo,, ");
  headers.add("connection", "Upgrade");
  EXPECT_TRUE(headers.has_token("Connection", "foo"));
  EXPECT_TRUE(headers.has_token("Connection", "UPGRADE"));
  EXPECT_FALSE(headers.has_token("Connection", "keep"));
  EXPECT_FALSE(headers.has_token("Connection", ""));
  EXPECT_FALSE(headers.has_token("Upgrade", "foo"));
}

TEST(Headers, CopiesStayValidWhileItGrows) {
  Headers headers;
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 200; ++i) {
    // Around and over the size of an arena chunk, so that every way of placing a text is taken.
    const std::string value(i * 37 % 1500, static_cast<char>('a' + i % 26));
    headers.add("N", value);
    expected.push_back("N=" + value);
  }
  EXPECT_EQ(lines(headers), expected);
  headers.clear();
  EXPECT_TRUE(headers.empty());
  headers.add("A", std::string(2000, 'x'));
  headers.add("B", "y");
  EXPECT_THAT(lines(headers), ElementsAre("A=" + std::string(2000, 'x'), "B=y"));
}

TEST(Headers, MovesWithTheirArena) {
  Headers headers;
  headers.add("A", "1");
  Headers moved = std::move(headers);
  EXPECT_THAT(lines(moved), ElementsAre("A=1"));
  headers = Headers();
  headers.add("B", "2");
  EXPECT_THAT(lines(headers), ElementsAre("B=2"));
  moved = std::move(headers);
  EXPECT_THAT(lines(moved), ElementsAre("B=2"));
}

TEST(Message, IdempotentMethods) {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
    EXPECT_TRUE(is_idempotent(method));
  for (const char* method : {"POST", "PATCH", "CONNECT", "get", ""}) EXPECT_FALSE(is_idempotent(method));
}

TEST(Message, Reasons) {
  EXPECT_EQ(default_reason(200), "OK");
  EXPECT_EQ(default_reason(502), "Bad Gateway");
  EXPECT_EQ(default_reason(299), "");
}

}  // namespace
}  // namespace sluice::http
