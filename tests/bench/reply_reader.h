#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deflate.h"

namespace sluice::bench {

// Counts and checks complete answers in a stream of bytes. No allocation unless a head is split, a message
// compressed, or a Ping comes.
class ReplyReader {
 public:
  static constexpr int kWrong = -1;

  // HTTP responses: status 200 and exactly `length` bytes by Content-Length.
  static ReplyReader http(uint64_t length);
  // Messages whose payloads are these in turn, which must outlive the reader: unmasked binary frames, or
  // deflated text, perhaps in fragments.
  static ReplyReader websocket(const std::vector<std::string>& payloads, bool deflated);

  // The number of answers completed by these bytes, or kWrong.
  int consume(const char* data, size_t size);
  // Body bytes still to come, of which the content does not matter (HTTP only).
  uint64_t skippable() const { return payloads_ ? 0 : remaining_; }
  // Says that `size` skippable bytes were thrown away; 1 when that completed an answer.
  int skipped(size_t size);
  // Frames that answer the Pings that came since they were taken last.
  std::string take_pongs() { return std::exchange(pongs_, {}); }

 private:
  int consume_head(const char*& data, size_t& size);
  size_t parse_http_head(std::string_view bytes);
  size_t parse_frame(std::string_view bytes);
  bool is_right_frame(uint8_t first, uint64_t size) const;
  bool is_right_payload(std::string_view part);
  int end_part();
  int end_deflated();

  const std::vector<std::string>* payloads_ = nullptr;  // none: HTTP
  size_t turn_ = 0;                                     // which of them comes next
  bool wrong_ = false;
  uint64_t length_ = 0;
  uint64_t remaining_ = 0;  // of the body, or of the frame's payload
  std::string head_;
  uint8_t first_ = 0;  // byte of the frame
  std::string ping_;
  std::string pongs_;

  bool deflated_ = false;
  bool in_message_ = false;  // the next fragment continues one
  std::unique_ptr<Inflater> inflater_;
  Buffer inflated_;
};

}  // namespace sluice::bench
