#include "gateway/http2/codes.h"

#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"

namespace sluice::http2 {
namespace {

TEST(Codes, HaveTheirNames) {
  EXPECT_EQ(name_of(Code::no_error), "NO_ERROR");
  EXPECT_EQ(name_of(Code::enhance_your_calm), "ENHANCE_YOUR_CALM");
  EXPECT_EQ(name_of(Code::http_1_1_required), "HTTP_1_1_REQUIRED");
  EXPECT_EQ(name_of(static_cast<Code>(14)), "UNKNOWN");
}

TEST(Codes, GoAwayByHand) {
  std::string out = "before";
  append_goaway(out, 0x01020305, Code::enhance_your_calm);
  EXPECT_EQ(out, "before" + test::h2::goaway(0x01020305, 0xb));
}

}  // namespace
}  // namespace sluice::http2
