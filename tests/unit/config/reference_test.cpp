#include "config/reference.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(Reference, RowsOfTablesWithoutMarkdown) {
  const auto rows = key_references(
      "# Title\n| Key | Default | Meaning |\n|---|---|---|\n| `a.b` | `16KiB` | over it `414`, see "
      "[RE2](https://x/y) and [z](#z) |\n"
      "| `c` | the system's | |\n| `${host}` | two cells |\ntext | `d` | e | f |\n| `g` | h | [not a link] "
      "|");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows.at("a.b").default_text, "16KiB");
  EXPECT_EQ(rows.at("a.b").meaning, "over it 414, see RE2 and z");
  EXPECT_EQ(rows.at("c").default_text, "the system's");
  EXPECT_EQ(rows.at("c").meaning, "");
  EXPECT_EQ(rows.at("g").meaning, "[not a link]");
}

TEST(Reference, NoTableNoRows) {
  EXPECT_TRUE(key_references("").empty());
  EXPECT_TRUE(key_references("| `a`").empty());
}

}  // namespace
}  // namespace sluice::config
