// A backend's answer - interim heads, the final one, the body, what comes behind it - is the same however the
// bytes are split, and written anew it is read as the same answer.
#include <optional>
#include <string>
#include <vector>

#include "gateway/http1/body_decoder.h"
#include "gateway/http1/response_parser.h"
#include "gateway/http1/serializer.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using http::BodyKind;
using http1::HeadResult;
using http::ParseError;

constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "CONNECT"};

struct Head {
  unsigned status = 0;
  std::string reason;
  http::Headers headers;
};

std::string text_of(const http::Headers& headers) {
  std::string text;
  for (const http::Field& field : headers)
    text.append(field.name).append(": ").append(field.value).append("\n");
  return text;
}

// Reads one answer as an exchange does.
class Reader {
 public:
  Reader(std::string_view method, const http1::HeadLimits& limits) : method_(method), parser_(limits) {}

  void feed(std::string_view bytes) {
    received_.append(bytes);
    while (!done && error == ParseError::none && (decoder_ ? read_body() : read_head())) {
    }
  }
  // The connection ended: whether the answer is whole.
  bool whole_at_end() const { return done || (decoder_ && decoder_->complete_at_end()); }

  std::vector<Head> interim;
  Head head;
  http::BodyFraming framing;
  bool keep_alive = false;
  std::string body, trailers;
  bool done = false;
  ParseError error = ParseError::none;
  std::size_t consumed = 0;

 private:
  bool read_head() {
    if (received_.empty()) return false;
    http::ResponseHead parsed;
    const HeadResult result = parser_.parse(received_, method_, parsed);
    error = result.error;
    if (result.state != HeadResult::complete) return false;
    take(result.consumed);
    parser_.reset();
    Head taken{parsed.status, std::string(parsed.reason), {}};
    for (const http::Field& field : parsed.headers) taken.headers.add(field.name, field.value);
    if (parsed.status < 200 && parsed.status != 101) {
      interim.push_back(std::move(taken));
      return true;
    }
    head = std::move(taken);
    framing = parsed.body;
    keep_alive = parsed.keep_alive;
    decoder_.emplace(parsed.body, kMaxTrailers);
    done = decoder_->done();
    return true;
  }

  bool read_body() {
    std::string piece = received_;
    const http1::DecodeResult result = decoder_->decode(piece.data(), piece.size());
    body.append(piece, 0, result.payload);
    error = result.error;
    if (error != ParseError::none) return false;
    take(result.consumed);
    done = decoder_->done();
    trailers = text_of(decoder_->trailers());
    return false;
  }

  void take(std::size_t size) {
    received_.erase(0, size);
    consumed += size;
  }

  static constexpr std::size_t kMaxTrailers = 300;
  std::string_view method_;
  http1::ResponseParser parser_;
  std::string received_;
  std::optional<http1::BodyDecoder> decoder_;
};

bool same(const Head& a, const Head& b) {
  return a.status == b.status && a.reason == b.reason && text_of(a.headers) == text_of(b.headers);
}

void check_same(const Reader& a, const Reader& b) {
  FUZZ_CHECK(a.interim.size() == b.interim.size());
  for (std::size_t i = 0; i < a.interim.size(); ++i) FUZZ_CHECK(same(a.interim[i], b.interim[i]));
  FUZZ_CHECK(same(a.head, b.head) && a.keep_alive == b.keep_alive);
  FUZZ_CHECK(a.framing.kind == b.framing.kind && a.framing.content_length == b.framing.content_length);
  FUZZ_CHECK(a.body == b.body && a.trailers == b.trailers);
  FUZZ_CHECK(a.done == b.done && a.whole_at_end() == b.whole_at_end() && a.error == b.error);
}

void check_body(const Reader& reader, std::string_view method) {
  const unsigned status = reader.head.status;
  if (method == "HEAD" || status == 101 || status == 204 || status == 304) FUZZ_CHECK(reader.body.empty());
  if (reader.framing.kind == BodyKind::length) {
    FUZZ_CHECK(reader.body.size() <= reader.framing.content_length);
    FUZZ_CHECK(reader.done == (reader.body.size() == reader.framing.content_length));
  }
  // Where the end of the connection is the end of the body, no other answer may follow.
  if (reader.framing.kind == BodyKind::until_close) FUZZ_CHECK(!reader.keep_alive && reader.trailers.empty());
}

void check_written_anew(const Reader& reader, std::string_view method) {
  std::string wire;
  for (const Head& one : reader.interim)
    http1::append_response_head(wire, one.status, one.reason, one.headers);
  http1::append_response_head(wire, reader.head.status, reader.head.reason, reader.head.headers);
  if (reader.framing.kind == BodyKind::chunked) {
    if (!reader.body.empty()) {
      char room[http1::kChunkHeadRoom];
      const std::size_t used = http1::write_chunk_head(room, reader.body.size());
      wire.append(room + http1::kChunkHeadRoom - used, used).append(reader.body).append(http1::kChunkEnd);
    }
    http1::append_last_chunk(wire, {});
  } else {
    wire.append(reader.body);
  }
  const std::size_t size = wire.size();
  if (reader.framing.kind != BodyKind::until_close) wire.append("HTTP/1.1 200 next\r\n\r\n");
  Reader again(method, {.max_line = size, .max_head = size, .max_headers = 1000});
  again.feed(wire);
  FUZZ_CHECK(again.error == ParseError::none && again.whole_at_end() && again.consumed == size);
  FUZZ_CHECK(again.interim.size() == reader.interim.size() && same(again.head, reader.head));
  FUZZ_CHECK(again.body == reader.body && again.framing.kind == reader.framing.kind);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view method = kMethods[data[0] % std::size(kMethods)];
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  const http1::HeadLimits limits{.max_line = 100, .max_head = 600, .max_headers = 10};
  Reader whole(method, limits);
  whole.feed(bytes);

  Reader dripping(method, limits);
  fuzz::Pieces pieces(bytes);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t step = pieces.next(bytes.size() - at);
    dripping.feed(bytes.substr(at, step));
    at += step;
  }
  check_same(whole, dripping);
  check_body(whole, method);
  if (whole.error == ParseError::none && whole.whole_at_end()) check_written_anew(whole, method);
  return 0;
}
