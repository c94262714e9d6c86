// Takes the frames of one direction apart, after a FrameWalker has let them pass: whose header stands where, and which bytes are the
// payload of which frame. Judges nothing and copies nothing. No I/O. One direction of one tunnel owns it.
#pragma once

#include "gateway/websocket/frame.h"
#include "gateway/websocket/masking.h"

namespace sluice::websocket {

class FrameReader {
 public:
  // What the bytes at hand have of one frame.
  struct Piece {
    std::string_view payload;  // as it is on the wire
    MaskKey mask;              // for its first byte
    bool begins;               // the header stood in front of it
    bool ends;                 // nothing of the frame follows
  };

  // Takes the next piece off the front of `bytes`, which are not empty. They begin with a whole header wherever a frame begins: the
  // walker holds back what is not.
  Piece take(std::string_view& bytes) noexcept;
  // The last `size` bytes of the piece that was taken last come again: with the next piece.
  void give_back(std::size_t size) noexcept;

  // Of the frame that the last piece belongs to.
  Opcode opcode() const noexcept { return static_cast<Opcode>(first_ & 0x0F); }
  bool is_control() const noexcept { return (first_ & 0x08) != 0; }
  bool final() const noexcept { return (first_ & 0x80) != 0; }
  std::uint8_t reserved_bits() const noexcept { return first_ & 0x70; }
  std::uint64_t payload_left() const noexcept { return left_; }

 private:
  std::uint64_t left_ = 0;
  MaskKey key_{};
  std::uint8_t first_ = 0;     // byte of the header
  std::uint8_t position_ = 0;  // in the key
  bool in_frame_ = false;
};

}  // namespace sluice::websocket
