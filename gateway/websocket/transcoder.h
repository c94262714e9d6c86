// Makes of the frames that come from one side of a terminated tunnel those that go to the other: masked anew or not at all, inflated
// or deflated, in as few frames as what came at once allows. Answers Pings, sees that text is UTF-8 (RFC 6455 8.1), and bounds messages
// by their inflated size. No I/O. One direction of one tunnel owns it, on its worker's thread.
//
// The receiver always stands between two frames: of a message that is not whole yet, what came goes on as a fragment. No frame is
// kept back, so nothing piles up in here.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "gateway/websocket/deflate_codec.h"
#include "gateway/websocket/deflate_offer.h"
#include "gateway/websocket/frame_reader.h"
#include "gateway/websocket/frame_writer.h"
#include "gateway/websocket/utf8_check.h"
#include "metrics/websocket_violation.h"

namespace sluice::websocket {

using metrics::Violation;

// Where the frames are written: one for all tunnels of a worker. What one step made is sent before the next step.
struct TranscoderOutput {
  // Some more than what one step takes at most, and then room for what the codecs hold back.
  static constexpr std::size_t kFull = 65 * 1024;
  static constexpr std::size_t kPongsFull = 8 * 1024;

  FrameWriter onward{kFull + Deflater::kMostHeldBack + 2 * FrameHeader::kMaxSize};  // to the receiver
  FrameWriter pongs{kPongsFull + FrameHeader::kMaxSize + FrameHeader::kMaxControlPayload};  // to the sender
  std::string_view last_pong;  // in `pongs`
  MaskKeys keys;

  bool is_full() const noexcept { return onward.size() >= kFull || pongs.size() >= kPongsFull; }
  std::size_t room_until_full() const noexcept { return kFull - std::min(kFull, onward.size()); }
  void clear() noexcept {
    onward.clear();
    pongs.clear();
    last_pong = {};
  }
};

struct TranscoderRules {
  bool from_client = false;  // what comes is masked and perhaps deflated; otherwise what goes is deflated
  std::uint64_t max_message = 0;  // bytes, inflated
  bool observe = false;           // one beyond it passes, and is told of
  std::optional<DeflateAgreement> deflate = {};  // with the client
  metrics::Gauge* memory = nullptr;              // of zlib; with `deflate`
  metrics::Histogram* sizes = nullptr;           // of messages, inflated; null: nobody wants to know
};

class Transcoder {
 public:
  explicit Transcoder(const TranscoderRules& rules) : rules_(rules) {}

  struct Step {
    std::size_t taken = 0;  // of the bytes; less than all when the output is full
    Violation violation = Violation::none;  // in the last bytes that were taken: their frame is not in the output, nothing follows it
  };
  // Bytes that a FrameWalker let pass, in their order. Throws std::bad_alloc.
  Step transcode(std::string_view bytes, TranscoderOutput& out);

  // With `observe`: what would have been a violation since it was asked last.
  Violation take_observed() noexcept { return std::exchange(observed_, Violation::none); }
  // After a long quiet: gives back what can be had again. The other side does not notice.
  bool holds_spare_memory() const noexcept { return deflater_ && !in_message_; }
  void give_back_memory() noexcept;

 private:
  // Messages below this size go as they are: what is saved is less than what each packet costs anyway.
  static constexpr std::size_t kWorthDeflating = 128;

  Violation take_data(const FrameReader::Piece& piece, std::string_view& bytes, TranscoderOutput& out);
  Violation take_control(const FrameReader::Piece& piece, TranscoderOutput& out);
  void begin_message(const FrameReader::Piece& piece);
  Violation copy(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out);
  Violation inflate(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out);
  Violation deflate(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out);
  Violation end_message(TranscoderOutput& out);
  Violation take_inflated(const Inflater::Step& step, TranscoderOutput& out);
  Violation judge(std::string_view payload) noexcept;  // inflated
  void flush(Deflater::Flush flush, TranscoderOutput& out);
  void open_frame(std::size_t expected, TranscoderOutput& out);
  void end_fragment(TranscoderOutput& out);
  std::optional<MaskKey> mask_onward(TranscoderOutput& out) const noexcept;

  TranscoderRules rules_;
  FrameReader reader_;
  std::unique_ptr<Inflater> inflater_;  // made for the first deflated message
  std::unique_ptr<Deflater> deflater_;
  std::uint64_t message_size_ = 0;      // so far
  // Of the current message.
  Opcode opcode_ = Opcode::binary;
  bool in_message_ = false;
  bool inflates_ = false;
  bool deflates_ = false;
  bool begun_ = false;       // a frame of it has gone to the receiver
  bool flush_due_ = false;   // a fragment of it has ended: its sender wants it to arrive
  Violation observed_ = Violation::none;
  Utf8Check text_;
  std::uint8_t control_size_ = 0;
  char control_[FrameHeader::kMaxControlPayload];  // what has come of a control frame's payload
};

}  // namespace sluice::websocket
