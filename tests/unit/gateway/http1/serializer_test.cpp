#include "gateway/http1/serializer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace sluice::http1 {
namespace {

http::Headers some_fields() {
  http::Headers headers;
  headers.add("Host", "a");
  headers.add("X-Empty", "");
  return headers;
}

TEST(Serializer, RequestHead) {
  std::string out = "before";
  append_request_head(out, "GET", "/a?b", some_fields());
  EXPECT_EQ(out, "beforeGET /a?b HTTP/1.1\r\nHost: a\r\nX-Empty: \r\n\r\n");
}

TEST(Serializer, ResponseHead) {
  std::string out;
  append_response_head(out, 404, "Not Found", some_fields());
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHost: a\r\nX-Empty: \r\n\r\n");
  out.clear();
  append_response_head(out, 200, "", {});
  EXPECT_EQ(out, "HTTP/1.1 200 \r\n\r\n");
}

TEST(Serializer, ChunkHeads) {
  const struct {
    std::uint64_t size;
    std::string head;
  } cases[] = {
      {0, "0\r\n"},         {1, "1\r\n"},
      {9, "9\r\n"},         {10, "a\r\n"},
      {0xFF, "ff\r\n"},     {0x100, "100\r\n"},
      {65536, "10000\r\n"}, {std::numeric_limits<std::uint64_t>::max(), "ffffffffffffffff\r\n"},
  };
  for (const auto& c : cases) {
    char room[kChunkHeadRoom];
    const std::size_t used = write_chunk_head(room, c.size);
    EXPECT_EQ(std::string(room + kChunkHeadRoom - used, used), c.head);
  }
}

TEST(Serializer, LastChunk) {
  std::string out;
  append_last_chunk(out, {});
  EXPECT_EQ(out, "0\r\n\r\n");
  http::Headers trailers;
  trailers.add("X", "y");
  out.clear();
  append_last_chunk(out, trailers);
  EXPECT_EQ(out, "0\r\nX: y\r\n\r\n");
}

}  // namespace
}  // namespace sluice::http1
