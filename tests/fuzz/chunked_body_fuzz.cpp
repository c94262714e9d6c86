// A chunked body is read the same however it is split, never grows, and leaves what follows it alone.
#include <string>

#include "gateway/http1/body_decoder.h"
#include "gateway/http1/serializer.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using http1::BodyDecoder;
using http1::DecodeResult;
using http::ParseError;

constexpr http::BodyFraming kChunked{http::BodyKind::chunked, 0};
constexpr std::size_t kMaxTrailers = 300;

struct Decoded {
  std::string payload;
  std::string trailers;
  std::size_t consumed = 0;
  ParseError error = ParseError::none;
  bool done = false;
};

template <typename NextSize>
Decoded decode(std::string_view bytes, NextSize next_size) {
  BodyDecoder decoder(kChunked, kMaxTrailers);
  Decoded decoded;
  while (decoded.consumed < bytes.size() && !decoder.done() && decoded.error == ParseError::none) {
    std::string piece(bytes.substr(decoded.consumed, next_size(bytes.size() - decoded.consumed)));
    const std::string before = piece;
    const DecodeResult result = decoder.decode(piece.data(), piece.size());
    FUZZ_CHECK(result.payload <= result.consumed && result.consumed <= piece.size());
    FUZZ_CHECK(piece.substr(result.consumed) == before.substr(result.consumed));
    FUZZ_CHECK(result.consumed == piece.size() || decoder.done() || result.error != ParseError::none);
    decoded.payload.append(piece, 0, result.payload);
    decoded.consumed += result.consumed;
    decoded.error = result.error;
  }
  for (const http::Field& field : decoder.trailers()) {
    decoded.trailers.append(field.name).append(":").append(field.value).append("\n");
  }
  decoded.done = decoder.done();
  return decoded;
}

void check_written_anew(const Decoded& body) {
  std::string wire;
  if (!body.payload.empty()) {
    char room[http1::kChunkHeadRoom];
    const std::size_t used = http1::write_chunk_head(room, body.payload.size());
    wire.append(room + http1::kChunkHeadRoom - used, used).append(body.payload).append(http1::kChunkEnd);
  }
  http1::append_last_chunk(wire, {});
  const Decoded again = decode(wire, [](std::size_t left) { return left; });
  FUZZ_CHECK(again.done && again.payload == body.payload && again.consumed == wire.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  const Decoded whole = decode(bytes, [](std::size_t left) { return left; });
  fuzz::Pieces pieces(bytes);
  const Decoded dripped = decode(bytes, [&](std::size_t left) { return pieces.next(left); });
  FUZZ_CHECK(dripped.payload == whole.payload && dripped.error == whole.error && dripped.done == whole.done);
  FUZZ_CHECK(dripped.trailers == whole.trailers);
  if (whole.done) {
    FUZZ_CHECK(dripped.consumed == whole.consumed);
    check_written_anew(whole);
  }
  return 0;
}
