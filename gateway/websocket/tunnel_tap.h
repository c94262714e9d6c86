// Somebody looks at what passes through a tunnel: finds the frames in the bytes of both directions. Owned by the tunnel while that is
// so; its worker's thread alone.
#pragma once

#include <memory>

#include "config/websocket_config.h"
#include "gateway/websocket/tap_queue.h"
#include "gateway/websocket/handshake_extensions.h"

namespace sluice::websocket {

// The frames of one direction, as they pass. Of bytes that were judged already: a header never comes in parts.
class PassingFrames {
 public:
  // `left`: of the payload of a frame that is under way, so much is still to come; it is not told of.
  PassingFrames(metrics::Party sender, std::uint64_t left, bool shows_payload, bool may_be_compressed)
      : left_(left), shows_payload_(shows_payload), may_be_compressed_(may_be_compressed) {
    frame_.sender = sender;
  }

  // Each frame goes to `queue` when its header, or as much of its payload as is shown, has passed.
  void pass(std::string_view bytes, TapQueue& queue);

 private:
  std::size_t take_header(std::string_view bytes);
  void take_payload(std::string_view bytes);

  std::uint64_t left_;
  const bool shows_payload_;
  const bool may_be_compressed_;
  bool compressed_message_ = false;  // the one that is under way
  bool pending_ = false;             // frame_ is still to be told of
  TappedFrame frame_{};
  std::array<std::uint8_t, FrameHeader::kMaskSize> mask_{};
};

class TunnelTap {
 public:
  // What of each direction has still to come of a frame that is under way.
  struct Left {
    std::uint64_t to_client, to_upstream;
  };
  TunnelTap(std::shared_ptr<TapQueue> queue, config::Tap shows, const ReservedBits& reserved_bits, Left left);
  ~TunnelTap() { queue_->end(); }
  TunnelTap(const TunnelTap&) = delete;
  TunnelTap& operator=(const TunnelTap&) = delete;

  void pass(metrics::Party sender, std::string_view bytes) { (sender == metrics::Party::client ? to_upstream_ : to_client_).pass(bytes, *queue_); }
  bool left() const noexcept { return queue_->left(); }

 private:
  std::shared_ptr<TapQueue> queue_;
  PassingFrames to_client_, to_upstream_;
};

}  // namespace sluice::websocket
