#include "http2_answers.h"

namespace sluice::bench {
namespace {

constexpr std::string_view kRestOfPreface = "SM\r\n\r\n";
constexpr size_t kHeader = 9;
constexpr size_t kMaxFrame = 16'384;
enum Type : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kGoaway = 7, kWindowUpdate = 8, kContinuation = 9 };
enum Flag : uint8_t { kAck = 1, kEndStream = 1, kEndHeaders = 4 };

uint32_t number(std::string_view bytes, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

void put_frame(Buffer& out, Type type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const size_t size = payload.size();
  const unsigned values[kHeader] = {static_cast<unsigned>(size >> 16), static_cast<unsigned>(size >> 8), static_cast<unsigned>(size),
                                    type, flags, stream >> 24, stream >> 16, stream >> 8, stream};
  char header[kHeader];
  for (size_t i = 0; i < kHeader; ++i) header[i] = static_cast<char>(values[i]);
  out.append(header, kHeader);
  out.append(payload.data(), size);
}

// RFC 7541 6.2.2: a literal that no table keeps, its name by its number in the static table, which is over 15.
std::string literal(unsigned name, std::string_view value) {
  return std::string{'\x0f', static_cast<char>(name - 15), static_cast<char>(value.size())} + std::string(value);
}

}  // namespace

Http2Answers::Http2Answers(std::string_view body)
    : body_(body),
      fields_("\x88" + literal(31, "application/octet-stream") + literal(28, std::to_string(body.size()))) {}  // :status 200, and the two

size_t Http2Answers::answer(std::string_view data, Buffer& out, bool& broken) {
  size_t used = begun_ ? 0 : rest_of_preface(data, out, broken);
  while (begun_ && !broken && data.size() - used >= kHeader) {
    const std::string_view rest = data.substr(used);
    const size_t size = number(rest, 3);
    broken = size > kMaxFrame;
    if (broken || rest.size() < kHeader + size) break;
    broken = !take(static_cast<uint8_t>(rest[3]), static_cast<uint8_t>(rest[4]), number(rest.substr(5), 4), rest.substr(kHeader, size), out);
    used += kHeader + size;
  }
  return used;
}

size_t Http2Answers::rest_of_preface(std::string_view data, Buffer& out, bool& broken) {
  if (data.size() < kRestOfPreface.size()) return 0;
  broken = !data.starts_with(kRestOfPreface);
  begun_ = !broken;
  put_frame(out, kSettings, 0, 0, {});
  return kRestOfPreface.size();
}

bool Http2Answers::take(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload, Buffer& out) {
  switch (type) {
    case kHeaders:
      if (!(flags & kEndHeaders)) return false;
      [[fallthrough]];
    case kData:
      if (flags & kEndStream) respond(stream, out);
      return true;
    case kSettings:
      if (!(flags & kAck)) put_frame(out, kSettings, kAck, 0, {});
      return true;
    case kPing:
      if (!(flags & kAck)) put_frame(out, kPing, kAck, 0, payload);
      return true;
    case kWindowUpdate:
      if (stream == 0 && payload.size() == 4) window_ += number(payload, 4);
      respond_waiting(out);
      return true;
    default:
      return type != kGoaway && type != kContinuation;
  }
}

void Http2Answers::respond(uint32_t stream, Buffer& out) {
  waiting_.push_back(stream);
  respond_waiting(out);
}

void Http2Answers::respond_waiting(Buffer& out) {
  while (!waiting_.empty() && window_ >= static_cast<int64_t>(body_.size())) {
    put_frame(out, kHeaders, kEndHeaders, waiting_.front(), fields_);
    put_frame(out, kData, kEndStream, waiting_.front(), body_);
    window_ -= static_cast<int64_t>(body_.size());
    waiting_.pop_front();
  }
}

}  // namespace sluice::bench
