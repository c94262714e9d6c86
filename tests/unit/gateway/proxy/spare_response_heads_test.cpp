#include "gateway/proxy/spare_response_heads.h"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

TEST(SpareResponseHeadsTest, AHeadServesOneExchangeAfterTheOther) {
  SpareResponseHeads spares;
  SpareResponseHeads::Borrowed first = spares.borrow();
  const http::ResponseHead* const memory = first.get();
  first->status = 404;
  first->headers.add("Name", "value");
  EXPECT_NE(spares.borrow().get(), memory) << "it is in use";
  first.reset();
  const SpareResponseHeads::Borrowed again = spares.borrow();
  EXPECT_EQ(again.get(), memory);
  EXPECT_EQ(again->status, 0u);
  EXPECT_TRUE(again->headers.empty());
}

TEST(SpareResponseHeadsTest, AMovedHeadComesBackOnce) {
  SpareResponseHeads spares;
  SpareResponseHeads::Borrowed head = spares.borrow();
  SpareResponseHeads::Borrowed moved = std::move(head);
  head.reset();
  moved.reset();
  const SpareResponseHeads::Borrowed one = spares.borrow();
  const SpareResponseHeads::Borrowed other = spares.borrow();
  EXPECT_NE(one.get(), other.get());
}

}  // namespace
}  // namespace sluice::proxy
