#include "reply_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "websocket.h"

namespace sluice::bench {

namespace {
constexpr size_t kMaxHead = 64 * 1024;
}  // namespace

ReplyReader ReplyReader::http(uint64_t length) {
  ReplyReader reader;
  reader.length_ = length;
  return reader;
}

ReplyReader ReplyReader::websocket(const std::vector<std::string>& payloads, bool deflated) {
  ReplyReader reader;
  reader.payloads_ = &payloads;
  reader.deflated_ = deflated;
  return reader;
}

int ReplyReader::consume(const char* data, size_t size) {
  int replies = 0;
  while (size > 0) {
    if (remaining_ == 0) {
      if (consume_head(data, size) == kWrong) return kWrong;
      if (!head_.empty()) return replies;
    } else {
      size_t part = static_cast<size_t>(std::min<uint64_t>(remaining_, size));
      if (payloads_ && !is_right_payload({data, part})) return kWrong;
      remaining_ -= part;
      data += part;
      size -= part;
    }
    if (remaining_ > 0) continue;
    int step = end_part();
    if (step == kWrong) return kWrong;
    replies += step;
  }
  return replies;
}

int ReplyReader::skipped(size_t size) {
  remaining_ -= size;
  return remaining_ == 0 ? 1 : 0;
}

// Takes a head from the front of the bytes; leaves head_ non-empty when it is still incomplete.
int ReplyReader::consume_head(const char*& data, size_t& size) {
  size_t held = head_.size();
  std::string_view bytes(data, size);
  if (held > 0) bytes = head_.append(data, size);
  size_t used = payloads_ ? parse_frame(bytes) : parse_http_head(bytes);
  if (wrong_) return kWrong;
  if (used == 0) {
    if (held == 0) head_.assign(data, size);
    size = 0;
    return head_.size() > kMaxHead ? kWrong : 0;
  }
  data += used - held;
  size -= used - held;
  head_.clear();
  return 0;
}

size_t ReplyReader::parse_http_head(std::string_view bytes) {
  static constexpr std::string_view kName = "\r\ncontent-length:";
  size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  wrong_ = true;
  if (!bytes.starts_with("HTTP/1.1 200")) return 0;
  std::string_view head = bytes.substr(0, end + 2);
  for (size_t line = head.find("\r\n"); line + kName.size() < head.size();
       line = head.find("\r\n", line + 2)) {
    if (::strncasecmp(head.data() + line, kName.data(), kName.size()) != 0) continue;
    const char* digits = head.data() + line + kName.size();
    while (*digits == ' ') ++digits;
    uint64_t value = 0;
    std::from_chars(digits, head.data() + head.size(), value);
    wrong_ = value != length_;
    remaining_ = length_;
    return end + 4;
  }
  return 0;
}

size_t ReplyReader::parse_frame(std::string_view bytes) {
  FrameHead head = parse_frame_head(bytes.data(), bytes.size());
  if (head.head_size == 0) return 0;
  wrong_ = head.masked || !is_right_frame(head.first, head.payload_size);
  first_ = head.first;
  remaining_ = head.payload_size;
  return head.head_size;
}

bool ReplyReader::is_right_frame(uint8_t first, uint64_t size) const {
  if (first == (kFinal | kPing)) return size <= kMaxControlPayload;
  if (!deflated_) return first == (kFinal | kBinary) && size == (*payloads_)[turn_].size();
  return (first & ~kFinal) == (in_message_ ? 0 : kDeflated | kText);
}

bool ReplyReader::is_right_payload(std::string_view part) {
  const std::string& expected = (*payloads_)[turn_];
  if (first_ == (kFinal | kPing)) {
    ping_ += part;
    return true;
  }
  if (!deflated_)
    return std::memcmp(expected.data() + (expected.size() - remaining_), part.data(), part.size()) == 0;
  if (!inflater_) inflater_ = std::make_unique<Inflater>();
  return inflater_->inflate(part, inflated_) && inflated_.size() <= expected.size();
}

// The end of a body or of a frame: 1 when it completes an answer.
int ReplyReader::end_part() {
  if (!payloads_) return 1;
  if (first_ == (kFinal | kPing)) {
    pongs_ += masked_frame(kFinal | kPong, std::exchange(ping_, {}));
    return 0;
  }
  if (deflated_) return end_deflated();
  turn_ = (turn_ + 1) % payloads_->size();
  return 1;
}

int ReplyReader::end_deflated() {
  in_message_ = !(first_ & kFinal);
  if (in_message_) return 0;
  if (!inflater_ || !inflater_->end_message(inflated_) || inflated_.view() != (*payloads_)[turn_])
    return kWrong;
  inflated_.clear();
  turn_ = (turn_ + 1) % payloads_->size();
  return 1;
}

}  // namespace sluice::bench
