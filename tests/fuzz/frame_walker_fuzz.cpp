// Frames are counted the same however the bytes are split, and also where payload passes unseen; and a boundary that is promised is one.
#include <string>

#include "gateway/websocket/frame.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using websocket::FrameWalker;

void check_same(const FrameWalker& a, const FrameWalker& b) {
  FUZZ_CHECK(a.counts().data_frames == b.counts().data_frames);
  FUZZ_CHECK(a.counts().control_frames == b.counts().control_frames);
  FUZZ_CHECK(a.counts().messages == b.counts().messages);
  FUZZ_CHECK(a.counts().payload_bytes == b.counts().payload_bytes);
  FUZZ_CHECK(a.at_boundary() == b.at_boundary());
  FUZZ_CHECK(a.close_seen() == b.close_seen());
  FUZZ_CHECK(a.close_code() == b.close_code());
  FUZZ_CHECK(a.data_left() == b.data_left());
  FUZZ_CHECK(a.frames_are_large() == b.frames_are_large());
}

// A frame of the gateway's own goes exactly at such a place.
void check_boundary(FrameWalker walker, const char* data, std::size_t size) {
  const std::size_t boundary = walker.boundary_within(data, size);
  FUZZ_CHECK(boundary <= size);
  if (boundary == 0) return;
  FUZZ_CHECK(walker.walk(data, boundary) == boundary);
  FUZZ_CHECK(walker.at_boundary());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  FrameWalker whole;
  check_boundary(whole, bytes.data(), bytes.size());
  const std::size_t walked = whole.walk(bytes.data(), bytes.size());
  FUZZ_CHECK(walked <= bytes.size());
  FUZZ_CHECK(walked == bytes.size() || whole.close_seen());

  FrameWalker dripping;
  fuzz::Pieces pieces(bytes);
  std::size_t at = 0;
  while (at < walked) {
    // Memory of its own, so that a read behind the piece is seen.
    const std::string piece(bytes.substr(at, pieces.next(walked - at)));
    check_boundary(dripping, piece.data(), piece.size());
    if (piece.size() % 2 == 0 && dripping.data_left() >= piece.size()) {
      dripping.pass_unseen(piece.size());
      at += piece.size();
      continue;
    }
    const std::size_t taken = dripping.walk(piece.data(), piece.size());
    FUZZ_CHECK(taken == piece.size());
    at += taken;
  }
  check_same(whole, dripping);
  return 0;
}
