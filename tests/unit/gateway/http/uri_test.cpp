#include "gateway/http/uri.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::http {
namespace {

using namespace std::string_literals;
using E = PathError;

TEST(NormalizePath, Canonical) {
  for (const std::string_view path :
       {"/",     "/a",     "/a/",     "/a/b.c",         "/.well-known/x", "/..a",   "/a..",
        "/...",  "/a/.b/", "/%20",    "/a%3Fb",         "/%E2%82%AC",     "/a;b=c", "/a!$&'()*+,;=:@b",
        "/-._~", "/a%25",  "/a%2525", "/[x]|{y}^\"`<>",       "*"}) {
    std::string storage = "unused";
    const NormalizedPath result = normalize_path(path, storage);
    EXPECT_EQ(result.error, E::none) << path;
    EXPECT_EQ(result.path.data(), path.data()) << path;
    EXPECT_EQ(result.path, path);
    EXPECT_EQ(storage, "unused");
  }
}

TEST(NormalizePath, Changed) {
  const struct {
    std::string_view from, to;
  } cases[] = {
      {"//", "/"},
      {"///", "/"},
      {"//a", "/a"},
      {"/a//b", "/a/b"},
      {"/a///", "/a/"},
      {"/.", "/"},
      {"/./", "/"},
      {"/./a", "/a"},
      {"/a/.", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/../b", "/b"},
      {"/a/b/..", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/../../c", "/c"},
      {"/a//../b", "/b"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/.%2E/b", "/b"},
      {"/a/%2e/b", "/a/b"},
      {"/%2e", "/"},
      {"/a/%2e%2e", "/"},
      {"/%61", "/a"},
      {"/%41%5a%30%2d%2e%5f%7e", "/AZ0-._~"},
      {"/%7Euser", "/~user"},
      {"/%e2%82%ac", "/%E2%82%AC"},
      {"/a%3fb", "/a%3Fb"},
      {"/%2e%2e%2e", "/..."},
      {"/a%3b", "/a%3B"},
      {"//a/./b/../c//%64/", "/a/c/d/"},
      {"/%252e%252E/%6e", "/%252e%252E/n"},
  };
  for (const auto& c : cases) {
    std::string storage;
    const NormalizedPath result = normalize_path(c.from, storage);
    EXPECT_EQ(result.error, E::none) << c.from;
    EXPECT_EQ(result.path, c.to) << c.from;
    std::string again;
    EXPECT_EQ(normalize_path(result.path, again).path.data(), result.path.data()) << c.from;
  }
}

TEST(NormalizePath, Refused) {
  const struct {
    std::string path;
    PathError error;
  } cases[] = {
      {"/a%2Fb", E::encoded_slash},
      {"/a%2fb", E::encoded_slash},
      {"/..%2f", E::encoded_slash},
      {"/%00", E::encoded_nul},
      {"/a%00.html", E::encoded_nul},
      {"/a\\b", E::backslash},
      {"/..\\", E::backslash},
      {"/%5c", E::backslash},
      {"/%5C", E::backslash},
      {"/%", E::bad_percent},
      {"/%2", E::bad_percent},
      {"/%g0", E::bad_percent},
      {"/%0g", E::bad_percent},
      {"/%%41", E::bad_percent},
      {"/%u0041", E::bad_percent},
      {"/..", E::above_root},
      {"/public/..;/admin", E::dot_parameter},
      {"/a/.;x=1/b", E::dot_parameter},
      {"/a/%2e%2e;/b", E::dot_parameter},
      {"/a/..%3b/b", E::dot_parameter},
      {"/../", E::above_root},
      {"/../a", E::above_root},
      {"/a/../..", E::above_root},
      {"/a/../../b", E::above_root},
      {"//..", E::above_root},
      {"/./..", E::above_root},
      {"/%2e%2e", E::above_root},
      {"/%2e%2e/%2e%2e/etc/passwd", E::above_root},
      {"/a b", E::bad_character},
      {"/a\tb", E::bad_character},
      {"/\0"s, E::bad_character},
      {"/\x7F", E::bad_character},
      {"/\xC3\xA9", E::bad_character},
      {"/a?b", E::bad_character},
      {"/a#b", E::bad_character},
      {"", E::bad_character},
      {"a", E::bad_character},
      {"*a", E::bad_character},
  };
  for (const auto& c : cases) {
    std::string storage;
    EXPECT_EQ(name_of(normalize_path(c.path, storage).error), name_of(c.error)) << c.path;
  }
}

TEST(ParseAuthority, Accepted) {
  const struct {
    std::string_view text, host;
    int port;
    bool v6;
  } cases[] = {
      {"a", "a", -1, false},
      {"A.b-c_d~e.", "A.b-c_d~e.", -1, false},
      {"a:1", "a", 1, false},
      {"a:65535", "a", 65535, false},
      {"127.0.0.1:80", "127.0.0.1", 80, false},
      {"[::1]", "::1", -1, true},
      {"[2001:DB8::1]:443", "2001:DB8::1", 443, true},
  };
  for (const auto& c : cases) {
    const auto authority = parse_authority(c.text);
    ASSERT_TRUE(authority) << c.text;
    EXPECT_EQ(authority->host, c.host);
    EXPECT_EQ(authority->port ? *authority->port : -1, c.port);
    EXPECT_EQ(authority->ipv6_literal, c.v6);
  }
}

TEST(ParseAuthority, Refused) {
  for (const std::string& text : {""s,
                                  ":80"s,
                                  "a:"s,
                                  "a:0"s,
                                  "a:65536"s,
                                  "a:99999"s,
                                  "a:123456"s,
                                  "a:8 0"s,
                                  "a:+8"s,
                                  "u@a"s,
                                  "u:p@a"s,
                                  "a b"s,
                                  "a/b"s,
                                  "a%41"s,
                                  "a,b"s,
                                  "a;b"s,
                                  "a*"s,
                                  ".a"s,
                                  "a..b"s,
                                  "[::1"s,
                                  "[]"s,
                                  "[a]"s,
                                  "[::1]x"s,
                                  "[::1]:"s,
                                  "::1"s,
                                  "a]"s,
                                  "[::1%25lo]"s,
                                  "[::1\0]"s,
                                  "a\0b"s,
                                  "\x80"s,
                                  "[" + std::string(60, '1') + "]"}) {
    EXPECT_FALSE(parse_authority(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::http
