// Whether the text of one direction is UTF-8 where frames pass as they are (`validate_utf8`), so that of a frame with wrong text as little
// as possible passes. No I/O. One direction of one tunnel owns it.
#pragma once

#include "gateway/websocket/frame_reader.h"
#include "gateway/websocket/frame_walker.h"
#include "gateway/websocket/utf8_check.h"

namespace sluice::websocket {

class TextGuard {
 public:
  struct Verdict {
    bool wrong = false;
    std::size_t passable = 0;   // bytes: all, or those before the frame with the wrong text, as far as it began in these
    bool within_frame = false;  // it began earlier: the receiver has its beginning
  };
  // Bytes that a FrameWalker let pass, in their order. Once something is wrong it is not asked again.
  Verdict check(std::string_view bytes) noexcept;

 private:
  bool is_right(const FrameReader::Piece& piece) noexcept;

  FrameReader reader_;
  Utf8Check text_;
  bool in_text_ = false;  // the current message is one
};

struct TextInspection {
  TextGuard guard{};
  FrameWalker before{};  // the frames that are being passed
};

}  // namespace sluice::websocket
