#include "gateway/http/content_length.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(ContentLength, IsDigitsAlone) {
  EXPECT_EQ(parse_content_length("0"), 0u);
  EXPECT_EQ(parse_content_length("0042"), 42u);
  EXPECT_EQ(parse_content_length("9223372036854775807"), 0x7FFFFFFFFFFFFFFFu);
  for (const auto* text :
       {"", " 1", "1 ", "+1", "-1", "1,1", "0x1", "1.0", "9223372036854775808", "00000000000000000001"}) {
    EXPECT_FALSE(parse_content_length(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::http
