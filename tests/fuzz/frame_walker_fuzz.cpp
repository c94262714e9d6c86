// Frames are counted the same however the bytes are split, and also where payload passes unseen; and a boundary that is promised is one.
#include <string>

#include "gateway/websocket/frame_walker.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using websocket::FrameWalker;

void check_same(const FrameWalker& a, const FrameWalker& b) {
  FUZZ_CHECK(a.counts().data_frames() == b.counts().data_frames());
  FUZZ_CHECK(a.counts().control_frames() == b.counts().control_frames());
  FUZZ_CHECK(a.counts().messages == b.counts().messages);
  FUZZ_CHECK(a.counts().payload_bytes == b.counts().payload_bytes);
  FUZZ_CHECK(a.at_boundary() == b.at_boundary());
  FUZZ_CHECK(a.close_seen() == b.close_seen());
  FUZZ_CHECK(a.close_code() == b.close_code());
  FUZZ_CHECK(a.data_left() == b.data_left());
  FUZZ_CHECK(a.frames_are_large() == b.frames_are_large());
}

constexpr std::uint64_t kPong = 0x6161616161616161;

FrameWalker make_walker(const websocket::FrameRules& rules, std::uint8_t options) {
  FrameWalker walker(rules);
  walker.drop_messages((options & 32) != 0);
  if ((options & 64) != 0) walker.expect_pong(kPong);
  if ((options & 128) != 0) walker.allow(3);
  return walker;
}

// All runs, until nothing more is taken. What passes goes to `passed`.
std::size_t walk_all(FrameWalker& walker, std::string_view bytes, std::string& passed) {
  std::size_t walked = 0;
  while (const std::size_t run = walker.walk(bytes.data() + walked, bytes.size() - walked)) {
    FUZZ_CHECK(run <= bytes.size() - walked);
    if (walker.fate() == websocket::Fate::passes) passed += bytes.substr(walked, run);
    walked += run;
    if (walker.violation() != websocket::Violation::none) break;
  }
  return walked;
}

// A frame of the gateway's own goes exactly at such a place.
void check_boundary(FrameWalker walker, const char* data, std::size_t size) {
  const std::size_t boundary = walker.boundary_within(data, size);
  FUZZ_CHECK(boundary <= size);
  if (boundary == 0) return;
  std::string passed;
  FUZZ_CHECK(walk_all(walker, {data, boundary}, passed) == boundary);
  FUZZ_CHECK(walker.at_boundary());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  websocket::FrameRules rules;
  rules.masked = (data[0] & 1) != 0;
  rules.reserved_bits = (data[0] & 2) != 0 ? 0x40 : 0;
  rules.any_reserved_bits = (data[0] & 4) != 0;
  rules.max_message = (data[0] & 8) != 0 ? 300 : websocket::FrameRules::kAny;
  rules.observe = (data[0] & 16) != 0;
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  FrameWalker whole = make_walker(rules, data[0]);
  check_boundary(whole, bytes.data(), bytes.size());
  std::string whole_passed;
  const std::size_t walked = walk_all(whole, bytes, whole_passed);
  FUZZ_CHECK(walked <= bytes.size());
  const bool stopped = whole.close_seen() || whole.waits() || whole.violation() != websocket::Violation::none;
  FUZZ_CHECK(stopped || bytes.size() - walked <= FrameWalker::kMaxHeld);

  // Up to where it stopped: as pieces, of which what did not pass is given again.
  FrameWalker dripping = make_walker(rules, data[0]);
  std::string dripping_passed;
  fuzz::Pieces pieces(bytes);
  std::size_t passed = 0;
  std::size_t given = 0;
  while (given < walked) {
    const std::size_t piece = pieces.next(walked - given);
    given += piece;
    const bool unseen = piece % 2 == 0 && dripping.fate() == websocket::Fate::passes;
    if (unseen && passed == given - piece && dripping.data_left() >= piece) {
      dripping.pass_unseen(piece);
      dripping_passed += bytes.substr(passed, piece);
      passed = given;
      continue;
    }
    // Memory of its own, so that a read behind it is seen.
    const std::string held(bytes.substr(passed, given - passed));
    check_boundary(dripping, held.data(), held.size());
    passed += walk_all(dripping, held, dripping_passed);
    FUZZ_CHECK(given - passed <= FrameWalker::kMaxHeld);
    FUZZ_CHECK(passed == given || dripping.at_boundary());
  }
  FUZZ_CHECK(passed == walked);
  FUZZ_CHECK(dripping_passed == whole_passed);
  if (whole.violation() == websocket::Violation::none) check_same(whole, dripping);
  whole.walk(bytes.data() + walked, bytes.size() - walked);  // it can still be looked through for a Close
  return 0;
}
