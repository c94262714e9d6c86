#include "gateway/websocket/frame_reader.h"

#include <algorithm>

namespace sluice::websocket {

FrameReader::Piece FrameReader::take(std::string_view& bytes) noexcept {
  Piece piece{};
  piece.begins = !in_frame_;
  if (piece.begins) {
    const FrameHeader header{reinterpret_cast<const std::uint8_t*>(bytes.data())};
    first_ = header.bytes[0];
    left_ = header.payload();
    key_ = {};
    if (header.masked()) std::copy_n(header.mask(), key_.size(), key_.begin());
    position_ = 0;
    bytes.remove_prefix(header.size());
  }
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  piece.payload = bytes.substr(0, size);
  piece.mask = key_at(key_, position_);
  bytes.remove_prefix(size);
  left_ -= size;
  position_ = static_cast<std::uint8_t>((position_ + size) % key_.size());
  piece.ends = left_ == 0;
  in_frame_ = !piece.ends;
  return piece;
}

void FrameReader::give_back(std::size_t size) noexcept {
  if (size == 0) return;
  left_ += size;
  position_ = static_cast<std::uint8_t>((position_ - size) % key_.size());
  in_frame_ = true;
}

}  // namespace sluice::websocket
