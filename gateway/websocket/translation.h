// What one direction of a terminated tunnel has besides: between the walker and the receiver stands a transcoder.
#pragma once

#include <string>

#include "gateway/websocket/frame_walker.h"
#include "gateway/websocket/transcoder.h"

namespace sluice::websocket {

struct Translation {
  Transcoder transcoder;
  FrameWalker before{};    // the frames that are being passed: some may have to come again
  std::string pong_due{};  // for the sender, when it takes bytes again; at most one frame
  bool full = false;       // the output was: the rest is to come again
};

}  // namespace sluice::websocket
