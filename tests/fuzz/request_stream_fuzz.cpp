// A connection's requests are the same however the bytes are split, and what is written anew from them is
// read as the same requests: no body, no pipelined head and no trailer turns into another request on the way.
#include <optional>
#include <string>
#include <vector>

#include "gateway/http1/body_decoder.h"
#include "gateway/http1/request_parser.h"
#include "gateway/http1/serializer.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using http1::HeadResult;
using http::ParseError;

struct Request {
  std::string method, target, authority;
  std::string fields;  // as they would be written
  http::BodyFraming framing;
  std::string body, trailers;
  bool operator==(const Request& other) const {
    return method == other.method && target == other.target && authority == other.authority &&
           fields == other.fields && framing.kind == other.framing.kind &&
           framing.content_length == other.framing.content_length && body == other.body &&
           trailers == other.trailers;
  }
};

std::string text_of(const http::Headers& headers) {
  std::string text;
  for (const http::Field& field : headers)
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text;
}

// Reads as a session does: one request after the other, until one of them is the last.
class Reader {
 public:
  Reader(const http1::HeadLimits& limits, std::size_t max_trailers)
      : parser_(limits), max_trailers_(max_trailers) {}

  void feed(std::string_view bytes) {
    received_.append(bytes);
    while (!ended && error == ParseError::none && (decoder_ ? read_body() : read_head())) {
    }
  }

  std::vector<Request> requests;
  ParseError error = ParseError::none;
  bool ended = false;  // no request may follow
  std::size_t consumed = 0;
  bool between_requests() const { return !decoder_ && (ended || received_.empty()); }

 private:
  // Each is false when more is needed.
  bool read_head() {
    if (received_.empty()) return false;
    http::RequestHead head;
    const HeadResult result = parser_.parse(received_, head);
    error = result.error;
    if (result.state != HeadResult::complete) return false;
    take(result.consumed);
    parser_.reset();
    last_ = !head.keep_alive || head.method == "CONNECT";
    current_ = {std::string(head.method),
                std::string(head.target),
                std::string(head.authority),
                text_of(head.headers),
                head.body,
                {},
                {}};
    skipped_ = head.version == http::Version::http_1_0;  // written anew it would be a 1.1 request
    decoder_.emplace(head.body, max_trailers_);
    if (decoder_->done()) finish();
    return true;
  }

  bool read_body() {
    std::string piece = received_;
    const http1::DecodeResult result = decoder_->decode(piece.data(), piece.size());
    current_.body.append(piece, 0, result.payload);
    error = result.error;
    if (error != ParseError::none) return false;
    take(result.consumed);
    if (!decoder_->done()) return false;
    current_.trailers = text_of(decoder_->trailers());
    finish();
    return true;
  }

  void finish() {
    decoder_.reset();
    if (!skipped_) requests.push_back(current_);
    ended = last_;
  }

  void take(std::size_t size) {
    received_.erase(0, size);
    consumed += size;
  }

  http1::RequestParser parser_;
  std::size_t max_trailers_;
  std::string received_;
  std::optional<http1::BodyDecoder> decoder_;
  Request current_;
  bool last_ = false;
  bool skipped_ = false;
};

void write_chunk(std::string& out, std::string_view payload) {
  if (payload.empty()) return;
  char room[http1::kChunkHeadRoom];
  const std::size_t used = http1::write_chunk_head(room, payload.size());
  out.append(room + http1::kChunkHeadRoom - used, used).append(payload).append(http1::kChunkEnd);
}

http::Headers fields_from(std::string_view text) {
  http::Headers headers;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    const std::size_t colon = line.find(": ");
    headers.add(line.substr(0, colon), line.substr(colon + 2));
    text.remove_prefix(line.size() + 2);
  }
  return headers;
}

void write(std::string& out, const Request& request) {
  http1::append_request_head(out, request.method, request.target, fields_from(request.fields));
  if (request.framing.kind == http::BodyKind::chunked) {
    const std::string_view body = request.body;
    write_chunk(out, body.substr(0, body.size() / 2));
    write_chunk(out, body.substr(body.size() / 2));
    http1::append_last_chunk(out, fields_from(request.trailers));
  } else {
    out.append(request.body);
  }
}

void check_written_anew(const Reader& original) {
  std::string wire;
  for (const Request& request : original.requests) write(wire, request);
  const std::size_t limit = wire.size() + 1;
  Reader again({.max_line = limit, .max_head = limit, .max_headers = 1000}, limit);
  again.feed(wire);
  FUZZ_CHECK(again.error == ParseError::none && again.consumed == wire.size() && again.between_requests());
  FUZZ_CHECK(again.requests == original.requests);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  const http1::HeadLimits limits{.max_line = 200, .max_head = 1000, .max_headers = 10};
  constexpr std::size_t kMaxTrailers = 300;
  Reader whole(limits, kMaxTrailers);
  whole.feed(bytes);

  Reader dripping(limits, kMaxTrailers);
  fuzz::Pieces pieces(bytes);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t step = pieces.next(bytes.size() - at);
    dripping.feed(bytes.substr(at, step));
    at += step;
  }
  FUZZ_CHECK(dripping.error == whole.error && dripping.ended == whole.ended);
  FUZZ_CHECK(dripping.requests == whole.requests);
  FUZZ_CHECK(dripping.between_requests() == whole.between_requests());
  check_written_anew(whole);
  return 0;
}
