#include "gateway/admin/admin_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice::admin {
namespace {

using Phase = AdminPlaces::Phase;

class AdminPlacesTest : public ::testing::Test {
 protected:
  std::unique_ptr<AdminPlaces::Place> take(char name) {
    return std::make_unique<AdminPlaces::Place>(places_, [this, name] { closed_ += name; });
  }

  std::shared_ptr<AdminPlaces> places_ = std::make_shared<AdminPlaces>(3);
  std::string closed_;
};

TEST_F(AdminPlacesTest, APlaceIsFreeWhenItsConnectionEnds) {
  for (int i = 0; i < 10; ++i) {
    const auto a = take('a'), b = take('b'), c = take('c');
    EXPECT_EQ(places_->taken(), 3U);
  }
  EXPECT_EQ(places_->taken(), 0U);
  EXPECT_EQ(closed_, "");
}

TEST_F(AdminPlacesTest, WhoLingersGivesUpItsPlaceBeforeWhoWaitsAndWhoIsAnswered) {
  const auto a = take('a'), b = take('b'), c = take('c');
  a->enter(Phase::sending);
  c->enter(Phase::sending);
  c->enter(Phase::lingering);
  const auto d = take('d');
  EXPECT_EQ(closed_, "c");
  d->enter(Phase::sending);
  const auto e = take('e');
  EXPECT_EQ(closed_, "cb");
  e->enter(Phase::sending);
  const auto f = take('f');
  EXPECT_EQ(closed_, "cba") << "also when all are being answered: they may read nothing";
  EXPECT_EQ(places_->taken(), 3U);
}

TEST_F(AdminPlacesTest, WhoHasBeenThereForLongestIsFirst) {
  const auto a = take('a'), b = take('b'), c = take('c');
  for (const auto& place : {b.get(), a.get(), c.get()}) place->enter(Phase::lingering);
  const auto d = take('d'), e = take('e'), f = take('f'), g = take('g');
  EXPECT_EQ(closed_, "bacd");
}

TEST_F(AdminPlacesTest, APlaceThatWasTakenAwayCountsNoMore) {
  auto a = take('a');
  const auto b = take('b'), c = take('c'), d = take('d');
  EXPECT_EQ(closed_, "a");
  a->enter(Phase::lingering);
  EXPECT_EQ(places_->taken(), 3U);
  a.reset();
  EXPECT_EQ(places_->taken(), 3U);
}

TEST_F(AdminPlacesTest, ConnectionsMayEndAfterTheListener) {
  const auto a = take('a');
  places_.reset();
  EXPECT_EQ(closed_, "");
}

}  // namespace
}  // namespace sluice::admin
