#include "gateway/websocket/transcoder.h"

#include <algorithm>

namespace sluice::websocket {
namespace {

constexpr std::size_t kUnmaskedAtOnce = 4096;

}  // namespace

Transcoder::Step Transcoder::transcode(std::string_view bytes, TranscoderOutput& out) {
  const std::size_t size = bytes.size();
  Violation violation = Violation::none;
  while (!bytes.empty() && violation == Violation::none && !out.is_full()) {
    const FrameReader::Piece piece = reader_.take(bytes);
    violation = reader_.is_control() ? take_control(piece, out) : take_data(piece, bytes, out);
  }
  if (violation == Violation::none) {
    end_fragment(out);
  } else {
    out.onward.discard();
  }
  return {size - bytes.size(), violation};
}

Violation Transcoder::take_control(const FrameReader::Piece& piece, TranscoderOutput& out) {
  if (piece.begins) control_size_ = 0;
  apply_mask(piece.mask, piece.payload.data(), piece.payload.size(), control_ + control_size_);
  control_size_ = static_cast<std::uint8_t>(control_size_ + piece.payload.size());
  if (!piece.ends) return Violation::none;
  const std::string_view payload(control_, control_size_);
  if (reader_.opcode() == Opcode::ping) {
    // RFC 6455 5.5.3. Only a client's frames are masked, and what goes back to the backend comes from its client.
    const std::size_t before = out.pongs.size();
    out.pongs.put(Opcode::pong, payload, rules_.from_client ? std::nullopt : std::optional(out.keys.next()));
    out.last_pong = out.pongs.bytes().substr(before);
  } else if (reader_.opcode() == Opcode::close) {
    end_fragment(out);
    out.onward.put(Opcode::close, payload, mask_onward(out));
  }
  return Violation::none;
}

Violation Transcoder::take_data(const FrameReader::Piece& piece, std::string_view& bytes, TranscoderOutput& out) {
  if (piece.begins && reader_.opcode() != Opcode::continuation) begin_message(piece);
  std::size_t left = piece.payload.size();
  Violation violation = Violation::none;
  if (left > 0) violation = inflates_ ? inflate(piece, left, out) : deflates_ ? deflate(piece, left, out) : copy(piece, left, out);
  if (violation != Violation::none) return violation;
  if (left > 0) {  // the output is full
    reader_.give_back(left);
    bytes = {bytes.data() - left, bytes.size() + left};
    return Violation::none;
  }
  flush_due_ = flush_due_ || piece.ends;
  return piece.ends && reader_.final() ? end_message(out) : Violation::none;
}

void Transcoder::begin_message(const FrameReader::Piece& piece) {
  opcode_ = reader_.opcode();
  in_message_ = true;
  begun_ = false;
  message_size_ = 0;
  text_ = {};
  inflates_ = (reader_.reserved_bits() & kDeflatedBit) != 0;
  const bool small = piece.ends && reader_.final() && piece.payload.size() < kWorthDeflating;
  deflates_ = rules_.deflate && !rules_.from_client && !small;
  if (inflates_ && !inflater_) inflater_ = std::make_unique<Inflater>(rules_.deflate->client_window_bits, *rules_.memory);
  if (deflates_ && !deflater_) deflater_ = std::make_unique<Deflater>(rules_.deflate->server_window_bits, *rules_.memory);
}

Violation Transcoder::copy(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out) {
  open_frame(piece.payload.size(), out);
  const std::size_t size = std::min(left, out.onward.left());
  char* const to = out.onward.room();
  apply_mask(piece.mask, piece.payload.data(), size, to);
  out.onward.grow(size);
  left -= size;
  return judge({to, size});
}

Violation Transcoder::deflate(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out) {
  open_frame(piece.payload.size(), out);
  std::string_view in = piece.payload;  // a backend's frames are not masked
  out.onward.grow(deflater_->deflate(in, out.onward.room(), out.room_until_full(), Deflater::Flush::none));
  left = in.size();
  return judge(piece.payload.substr(0, piece.payload.size() - left));
}

// Inflates to where the output is full; what zlib holds back when it has taken all fits behind that.
Violation Transcoder::inflate(const FrameReader::Piece& piece, std::size_t& left, TranscoderOutput& out) {
  char unmasked[kUnmaskedAtOnce];
  while (left > 0 && !out.is_full()) {
    const std::size_t at = piece.payload.size() - left;
    const std::size_t size = std::min(left, sizeof unmasked);
    apply_mask(key_at(piece.mask, at), piece.payload.data() + at, size, unmasked);
    std::string_view in(unmasked, size);
    open_frame(piece.payload.size(), out);
    const Violation violation = take_inflated(inflater_->inflate(in, out.onward.room(), out.room_until_full()), out);
    if (violation != Violation::none) return violation;
    left -= size - in.size();
  }
  if (left > 0 || !out.is_full()) return Violation::none;
  std::string_view nothing;
  return take_inflated(inflater_->inflate(nothing, out.onward.room(), out.onward.left()), out);
}

// It lies in the output's room already.
Violation Transcoder::take_inflated(const Inflater::Step& step, TranscoderOutput& out) {
  const std::string_view inflated(out.onward.room(), step.written);
  out.onward.grow(step.written);
  return step.broken ? Violation::broken_deflate : judge(inflated);
}

Violation Transcoder::judge(std::string_view payload) noexcept {
  const bool fitted = message_size_ <= rules_.max_message;
  message_size_ += payload.size();
  if (fitted && message_size_ > rules_.max_message) {
    if (!rules_.observe) return Violation::message_too_big;
    observed_ = Violation::message_too_big;
  }
  return opcode_ != Opcode::text || text_.add(payload) ? Violation::none : Violation::text_not_utf8;
}

Violation Transcoder::end_message(TranscoderOutput& out) {
  open_frame(0, out);
  if (inflates_) {
    const Violation violation = take_inflated(inflater_->end_message(out.onward.room(), out.onward.left()), out);
    if (violation != Violation::none) return violation;
  }
  if (opcode_ == Opcode::text && !text_.at_character_end()) return Violation::text_not_utf8;
  if (deflates_) flush(Deflater::Flush::end_message, out);
  out.onward.end(true);
  if (rules_.sizes != nullptr) rules_.sizes->observe(static_cast<double>(message_size_));
  in_message_ = flush_due_ = false;
  if (rules_.deflate && rules_.deflate->client_no_context_takeover) inflater_.reset();
  if (rules_.deflate && rules_.deflate->server_no_context_takeover) deflater_.reset();
  return Violation::none;
}

// What has come of a message that is not whole leaves now.
void Transcoder::end_fragment(TranscoderOutput& out) {
  if (!in_message_) return;
  if (deflates_ && flush_due_) {
    open_frame(0, out);
    flush(Deflater::Flush::all, out);
  }
  flush_due_ = false;
  if (!out.onward.is_open()) return;
  if (out.onward.payload() == 0) return out.onward.discard();
  out.onward.end(false);
  begun_ = true;
}

void Transcoder::flush(Deflater::Flush flush, TranscoderOutput& out) {
  std::string_view nothing;
  out.onward.grow(deflater_->deflate(nothing, out.onward.room(), out.onward.left(), flush));
}

void Transcoder::open_frame(std::size_t expected, TranscoderOutput& out) {
  if (out.onward.is_open()) return;
  const Opcode opcode = begun_ ? Opcode::continuation : opcode_;
  const std::uint8_t bits = deflates_ && !begun_ ? kDeflatedBit : 0;
  out.onward.begin(static_cast<std::uint8_t>(static_cast<std::uint8_t>(opcode) | bits), mask_onward(out), expected);
}

// Towards the backend the gateway is a client (RFC 6455 5.3).
std::optional<MaskKey> Transcoder::mask_onward(TranscoderOutput& out) const noexcept {
  return rules_.from_client ? std::optional(out.keys.next()) : std::nullopt;
}

void Transcoder::give_back_memory() noexcept {
  // A compressor that begins anew refers to nothing that was before. The other side's may, so the inflater's window stays.
  if (holds_spare_memory()) deflater_.reset();
}

}  // namespace sluice::websocket
