#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::bench {

// Counts and checks complete answers in a stream of bytes. No allocation unless a head is split.
class ReplyReader {
 public:
  static constexpr int kWrong = -1;

  // HTTP responses: status 200 and exactly `length` bytes by Content-Length.
  static ReplyReader http(uint64_t length);
  // Unmasked final frames whose payload equals `payload`, which must outlive the reader.
  static ReplyReader websocket(std::string_view payload);

  // The number of answers completed by these bytes, or kWrong.
  int consume(const char* data, size_t size);
  // Body bytes still to come, of which the content does not matter (HTTP only).
  uint64_t skippable() const { return websocket_ ? 0 : remaining_; }
  // Says that `size` skippable bytes were thrown away; 1 when that completed an answer.
  int skipped(size_t size);

 private:
  int consume_head(const char*& data, size_t& size);
  size_t parse_http_head(std::string_view bytes);
  size_t parse_frame(std::string_view bytes);

  bool websocket_ = false;
  bool wrong_ = false;
  uint64_t length_ = 0;
  std::string_view payload_;
  uint64_t remaining_ = 0;
  std::string head_;
};

}  // namespace sluice::bench
