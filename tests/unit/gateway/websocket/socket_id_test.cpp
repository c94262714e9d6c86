#include "gateway/websocket/socket_id.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::websocket {
namespace {

TEST(SocketId, IsReadAsItIsWritten) {
  const SocketId id = SocketId::make();
  EXPECT_EQ(id.text().size(), 32u);
  EXPECT_EQ(SocketId::parse(id.text()), id);
}

TEST(SocketId, NoTwoAreAlike) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SocketId::make().text());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(SocketId, NothingElseIsRead) {
  for (const char* text : {"", "0", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789abcdef",
                           "0123456789abcdeg0123456789abcdef", "0123456789abcdef/123456789abcdef"}) {
    EXPECT_FALSE(SocketId::parse(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::websocket
