// The small functions beside the route table, each on its own.
#include <gtest/gtest.h>

#include "gateway/routing/host_match.h"
#include "gateway/routing/listener_match.h"
#include "gateway/routing/method_match.h"
#include "gateway/routing/path_match.h"
#include "gateway/routing/websocket_match.h"

namespace sluice::routing {
namespace {

TEST(HostMatch, TrailingDot) {
  EXPECT_EQ(without_trailing_dot("example.com."), "example.com");
  EXPECT_EQ(without_trailing_dot("example.com"), "example.com");
  EXPECT_EQ(without_trailing_dot("example.com.."), "example.com.");
  EXPECT_EQ(without_trailing_dot("."), "");
  EXPECT_EQ(without_trailing_dot(""), "");
}

TEST(HostMatch, WildcardSuffix) {
  EXPECT_EQ(wildcard_suffix("*.example.com"), "example.com");
  EXPECT_EQ(wildcard_suffix("example.com"), "");
  EXPECT_EQ(wildcard_suffix("*example.com"), "");
}

TEST(HostMatch, LabelsBefore) {
  const std::size_t length = std::string_view("example.com").size();
  EXPECT_TRUE(has_labels_before("a.example.com", length));
  EXPECT_TRUE(has_labels_before("a.b.example.com", length));
  EXPECT_FALSE(has_labels_before("example.com", length));
  EXPECT_FALSE(has_labels_before(".example.com", length));
  EXPECT_FALSE(has_labels_before("badexample.com", length));
  EXPECT_FALSE(has_labels_before("com", length));
  EXPECT_FALSE(has_labels_before("", length));
}

TEST(HostMatch, HashAndEqualIgnoreCase) {
  EXPECT_EQ(HostHash{}("Example.COM"), HostHash{}("example.com"));
  EXPECT_NE(HostHash{}("example.com"), HostHash{}("example.org"));
  EXPECT_NE(HostHash{}("a[b"), HostHash{}("a{b")) << "only letters have a case";
  EXPECT_TRUE(HostEqual{}("Example.COM", "example.com"));
  EXPECT_FALSE(HostEqual{}("example.com", "example.co"));
}

TEST(PathMatch, PrefixesEndOnSegments) {
  EXPECT_TRUE(ends_on_segment("/ws", 3));
  EXPECT_TRUE(ends_on_segment("/ws/x", 3));
  EXPECT_TRUE(ends_on_segment("/ws/", 3));
  EXPECT_FALSE(ends_on_segment("/wsx", 3));
  EXPECT_FALSE(ends_on_segment("/w", 3));
  EXPECT_TRUE(ends_on_segment("/ws/x", 4)) << "a prefix with its own slash";
  EXPECT_FALSE(ends_on_segment("/ws", 4));
  EXPECT_FALSE(ends_on_segment("/ws", 0));
  EXPECT_FALSE(ends_on_segment("", 1));
}

TEST(MethodMatch, ExactlyAsWritten) {
  EXPECT_TRUE(method_matches({}, "PATCH"));
  EXPECT_TRUE(method_matches({"GET", "POST"}, "POST"));
  EXPECT_FALSE(method_matches({"GET", "POST"}, "post"));
  EXPECT_FALSE(method_matches({"GET"}, "HEAD"));
  EXPECT_FALSE(method_matches({"GET"}, "GE"));
}

TEST(ListenerMatch, ByName) {
  EXPECT_TRUE(listener_matches({}, "web"));
  EXPECT_TRUE(listener_matches({"secure", "web"}, "web"));
  EXPECT_FALSE(listener_matches({"secure"}, "web"));
}

TEST(WebSocketMatch, TrueFalseOrBoth) {
  EXPECT_TRUE(websocket_matches(std::nullopt, true));
  EXPECT_TRUE(websocket_matches(std::nullopt, false));
  EXPECT_TRUE(websocket_matches(true, true));
  EXPECT_FALSE(websocket_matches(true, false));
  EXPECT_TRUE(websocket_matches(false, false));
  EXPECT_FALSE(websocket_matches(false, true));
}

}  // namespace
}  // namespace sluice::routing
