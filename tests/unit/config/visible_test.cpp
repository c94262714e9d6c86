#include "config/visible.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(Visible, ControlCharactersAreShownAndLinesStay) {
  EXPECT_EQ(visible("one\ntwo\x1b[31m\r\x7f"), "one\ntwo\\x1b[31m\\x0d\\x7f");
  EXPECT_EQ(visible("\xc2\x9b" "31m"), "\\xc2\\x9b31m") << "C1 in UTF-8";
  EXPECT_EQ(visible("gr\xc3\xbc\xc3\x9f \xc2\xa0"), "gr\xc3\xbc\xc3\x9f \xc2\xa0") << "other characters stay as they are";
}

}  // namespace
}  // namespace sluice::config
