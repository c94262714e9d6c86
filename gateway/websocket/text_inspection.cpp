#include "gateway/websocket/text_inspection.h"

#include <algorithm>

namespace sluice::websocket {

TextGuard::Verdict TextGuard::check(std::string_view bytes) noexcept {
  const std::size_t size = bytes.size();
  while (!bytes.empty()) {
    const std::size_t at = size - bytes.size();
    const FrameReader::Piece piece = reader_.take(bytes);
    if (reader_.is_control() || is_right(piece)) continue;
    return {.wrong = true, .passable = at, .within_frame = !piece.begins};
  }
  return {.passable = size};
}

bool TextGuard::is_right(const FrameReader::Piece& piece) noexcept {
  if (piece.begins && reader_.opcode() != Opcode::continuation) {
    in_text_ = reader_.opcode() == Opcode::text;
    text_ = {};
  }
  if (!in_text_) return true;
  char unmasked[4096];
  for (std::size_t at = 0; at < piece.payload.size(); at += sizeof unmasked) {
    const std::size_t size = std::min(piece.payload.size() - at, sizeof unmasked);
    apply_mask(key_at(piece.mask, at), piece.payload.data() + at, size, unmasked);
    if (!text_.add({unmasked, size})) return false;
  }
  return !piece.ends || !reader_.final() || text_.at_character_end();
}

}  // namespace sluice::websocket
