#include "gateway/proxy/route_counts.h"

#include <gtest/gtest.h>

#include <optional>

namespace sluice::proxy {
namespace {

TEST(ClientPlaceTest, IsGivenBackOnce) {
  const auto counts = std::make_shared<ClientCounts>();
  const ClientKey client = *ClientKey::parse("192.0.2.1");
  ASSERT_TRUE(counts->take(client, 1));
  std::optional<ClientPlace> place(std::in_place, counts, client);
  EXPECT_FALSE(counts->take(client, 1));
  std::optional<ClientPlace> moved(std::move(place));
  place.reset();
  EXPECT_FALSE(counts->take(client, 1));
  EXPECT_EQ(counts->clients(), 1u);
  moved.reset();
  EXPECT_EQ(counts->clients(), 0u) << "nothing is kept of clients that left";
}

TEST(RouteCountsTest, WhatIsOffIsNotCounted) {
  config::WebSocketRules rules;
  RouteCounts counts;
  counts.make_for(rules);
  EXPECT_TRUE(counts.open);
  EXPECT_FALSE(counts.of_client);
  EXPECT_FALSE(counts.handshakes);
}

TEST(RouteCountsTest, CountingGoesOnWhenALimitComesBack) {
  config::WebSocketRules off;
  config::WebSocketRules on;
  on.max_tunnels_per_client = 5;
  on.handshake_rate = config::Rate{};
  RouteCounts counts;
  counts.make_for(on);
  const RouteCounts first = counts.used_by(on);
  counts.make_for(off);
  EXPECT_FALSE(counts.used_by(off).of_client);
  EXPECT_FALSE(counts.used_by(off).handshakes);
  counts.make_for(on);
  EXPECT_EQ(counts.used_by(on).open, first.open);
  EXPECT_EQ(counts.used_by(on).of_client, first.of_client);
  EXPECT_EQ(counts.used_by(on).handshakes, first.handshakes);
}

}  // namespace
}  // namespace sluice::proxy
