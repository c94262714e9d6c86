#include "tls/stalled_peers.h"

#include <vector>

#include "tests/support/io_harness.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kMuch = StalledPeers::kLittle + 1;

class StalledPeersTest : public ::testing::Test {
 protected:
  StalledPeersTest() {
    for (int i = 0; i < 4; ++i) connections_.push_back(harness_.plain_stream());
  }

  Duplex* peer(std::size_t number) { return connections_[number].first.get(); }
  StalledPeers::Place add(std::size_t number, std::size_t kept) {
    const StalledPeers::Place place = peers_.add(*peer(number));
    peers_.grown(place, kept);
    return place;
  }

  test::IoHarness harness_;
  std::vector<decltype(harness_.plain_stream())> connections_;
  StalledPeers peers_;
};

TEST_F(StalledPeersTest, WhoHasTakenNothingForLongestIsTheFirst) {
  EXPECT_EQ(peers_.first_to_cut(), nullptr);
  const auto first = add(0, kMuch), second = add(1, 10 * kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(0));
  peers_.taken(first, kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
  peers_.grown(second, 20 * kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(1)) << "to keep more is not to take";
  peers_.remove(second);
  EXPECT_EQ(peers_.first_to_cut(), peer(0));
  peers_.remove(first);
  EXPECT_TRUE(peers_.empty());
  EXPECT_EQ(peers_.first_to_cut(), nullptr);
}

TEST_F(StalledPeersTest, WhoKeepsLittleIsPassedOverForThoseWhoKeepMuch) {
  const auto little = add(0, StalledPeers::kLittle);
  EXPECT_EQ(peers_.first_to_cut(), peer(0)) << "when there is nobody else";
  const auto much = add(1, kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
  peers_.taken(much, kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
  peers_.remove(much);
  EXPECT_EQ(peers_.first_to_cut(), peer(0));
  peers_.remove(little);
  EXPECT_EQ(peers_.size(), 0U);
}

TEST_F(StalledPeersTest, ManyWhoKeepLittleAreNotSpared) {
  add(0, StalledPeers::kLittle);
  const auto much = add(1, 2 * StalledPeers::kLittle);
  add(2, StalledPeers::kLittle);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
  add(3, 1);
  EXPECT_EQ(peers_.first_to_cut(), peer(0));
  peers_.grown(much, 3 * StalledPeers::kLittle);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
}

TEST_F(StalledPeersTest, WhatIsKeptDecidesAmongWhomOneStands) {
  const auto first = add(0, 10 * kMuch), second = add(1, 20 * kMuch);
  peers_.taken(first, 1);
  EXPECT_EQ(peers_.first_to_cut(), peer(1));
  peers_.grown(first, 30 * kMuch);
  EXPECT_EQ(peers_.first_to_cut(), peer(1)) << "it comes behind those who were there";
  peers_.taken(second, 0);
  EXPECT_EQ(peers_.first_to_cut(), peer(0));
}

}  // namespace
}  // namespace sluice::tls
