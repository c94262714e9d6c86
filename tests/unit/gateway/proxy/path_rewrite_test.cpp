#include "gateway/proxy/path_rewrite.h"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

config::Rewrite strip(const std::string& prefix) {
  config::Rewrite rewrite;
  rewrite.strip_prefix = prefix;
  return rewrite;
}

config::Rewrite replace(const std::string& from, const std::string& to) {
  config::Rewrite rewrite;
  rewrite.replace_prefix = config::PrefixReplacement{from, to};
  return rewrite;
}

config::Rewrite regex(const std::string& match, const std::string& to) {
  config::Rewrite rewrite;
  rewrite.path_regex.emplace();
  EXPECT_EQ(config::Regex::parse(match, rewrite.path_regex->match), std::nullopt) << match;
  rewrite.path_regex->to = to;
  return rewrite;
}

std::string rewritten(const config::Rewrite& rewrite, std::string_view path) {
  std::string storage;
  return std::string(rewrite_path(rewrite, path, storage).value_or("(refused)"));
}

TEST(PathRewrite, StripsWholeSegments) {
  EXPECT_EQ(rewritten(strip("/ws"), "/ws/a/b"), "/a/b");
  EXPECT_EQ(rewritten(strip("/ws"), "/ws/"), "/");
  EXPECT_EQ(rewritten(strip("/ws"), "/ws"), "/") << "the root is left when nothing is";
  EXPECT_EQ(rewritten(strip("/ws"), "/wsx"), "/wsx");
  EXPECT_EQ(rewritten(strip("/ws"), "/w"), "/w");
  EXPECT_EQ(rewritten(strip("/ws"), "/a/ws"), "/a/ws");
  EXPECT_EQ(rewritten(strip("/a/b"), "/a/b/a/b"), "/a/b") << "once";
  EXPECT_EQ(rewritten(strip("/ws/"), "/ws/a"), "/a");
  EXPECT_EQ(rewritten(strip("/ws/"), "/ws"), "/ws") << "as path_prefix, which does not cover it";
}

TEST(PathRewrite, StrippingCopiesNothing) {
  const std::string path = "/ws/a";
  std::string storage;
  const auto result = rewrite_path(strip("/ws"), path, storage);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->data(), path.data() + 3);
  EXPECT_TRUE(storage.empty());
}

TEST(PathRewrite, ReplacesWholeSegments) {
  EXPECT_EQ(rewritten(replace("/a", "/b"), "/a"), "/b");
  EXPECT_EQ(rewritten(replace("/a", "/b"), "/a/"), "/b/");
  EXPECT_EQ(rewritten(replace("/a", "/b"), "/a/c"), "/b/c");
  EXPECT_EQ(rewritten(replace("/a", "/b"), "/ab"), "/ab");
  EXPECT_EQ(rewritten(replace("/a", "/b/"), "/a/c"), "/b/c") << "no double slash";
  EXPECT_EQ(rewritten(replace("/a", "/b/"), "/a"), "/b/");
  EXPECT_EQ(rewritten(replace("/a/", "/b"), "/a/c"), "/b/c");
  EXPECT_EQ(rewritten(replace("/a", "/"), "/a/c"), "/c");
  EXPECT_EQ(rewritten(replace("/a", "/"), "/a"), "/");
  EXPECT_EQ(rewritten(replace("/", "/app"), "/c"), "/app/c") << "a prefix in front of every path";
  EXPECT_EQ(rewritten(replace("/", "/app"), "/"), "/app/");
}

TEST(PathRewrite, ReplacesTheFirstMatch) {
  EXPECT_EQ(rewritten(regex("^/v1/(.*)", "/\\1"), "/v1/a/b"), "/a/b");
  EXPECT_EQ(rewritten(regex("^/v1/(.*)", "/\\1"), "/v2/a"), "/v2/a");
  EXPECT_EQ(rewritten(regex("old", "new"), "/old/old"), "/new/old") << "unanchored, once";
  EXPECT_EQ(rewritten(regex("^/(\\w+)/(\\w+)", "\\0/\\2"), "/a/b/c"), "/a/b/b/c");
  EXPECT_EQ(rewritten(regex("^/(\\w+)/(\\w+)", "/\\2/\\1;was=\\2"), "/a/b/c"), "/b/a;was=b/c");
  EXPECT_EQ(rewritten(regex("^/api", ""), "/api"), "/");
  EXPECT_EQ(rewritten(regex("^/api", ""), "/api/x"), "/x");
}

TEST(PathRewrite, EscapesStayAsTheyAre) {
  EXPECT_EQ(rewritten(strip("/ws"), "/ws/a%20b%3F"), "/a%20b%3F");
  EXPECT_EQ(rewritten(replace("/a%20b", "/c%2520"), "/a%20b/%C3%A4"), "/c%2520/%C3%A4");
  EXPECT_EQ(rewritten(regex("^/v1/(.*)", "/\\1"), "/v1/%25a%3B"), "/%25a%3B");
}

// Whatever a client makes of a sloppy expression, the upstream gets what normalize_path() would let through.
TEST(PathRewrite, RefusesWhatIsNoNormalisedPath) {
  EXPECT_EQ(rewritten(regex("^/v1/(.*)", "\\1"), "/v1/a"), "(refused)") << "no slash";
  EXPECT_EQ(rewritten(regex("^/a(.*)", "/b/\\1"), "/a/c"), "(refused)") << "a double slash";
  EXPECT_EQ(rewritten(regex("^/files/(.*)x(.*)", "/data/\\1\\2"), "/files/.x./etc"), "(refused)") << "..";
  EXPECT_EQ(rewritten(regex("x", ""), "/a/.x"), "(refused)") << ".";
  EXPECT_EQ(rewritten(regex("x", ""), "/.x.;a/b"), "(refused)") << "..;";
  EXPECT_EQ(rewritten(regex("3B", "2F"), "/a%3Bb"), "(refused)") << "an encoded slash";
  EXPECT_EQ(rewritten(regex("(%.).", "\\1"), "/a%20"), "(refused)") << "half an escape";
  EXPECT_EQ(rewritten(regex("25", ""), "/%2541"), "(refused)") << "%41 is A, and no normalised path has it";
  EXPECT_EQ(rewritten(regex("/.*", "*"), "/a"), "(refused)") << "* is no path";
}

TEST(PathRewrite, LeavesTheAsteriskAlone) {
  EXPECT_EQ(rewritten(strip("/ws"), "*"), "*");
  EXPECT_EQ(rewritten(replace("/", "/app"), "*"), "*");
  EXPECT_EQ(rewritten(regex(".", "/x"), "*"), "*");
}

TEST(PathRewrite, TheHostAloneLeavesThePath) {
  config::Rewrite rewrite;
  rewrite.host = "app.internal";
  EXPECT_EQ(rewritten(rewrite, "/a"), "/a");
}

}  // namespace
}  // namespace sluice::proxy
