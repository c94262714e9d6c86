// How a terminated tunnel makes the frames of one side anew for the other.
#include "gateway/websocket/translation.h"
#include "gateway/websocket/tunnel.h"
#include "gateway/websocket/tunnel_set.h"

namespace sluice::websocket {
namespace {

constexpr std::chrono::seconds kGivesBackAfter{30};

// Deflated data may be a little longer than what it stands for: the transcoder counts that.
std::uint64_t wire_limit(std::uint64_t inflated) noexcept {
  const std::uint64_t more = inflated / 512 + 1024;
  return inflated > FrameRules::kAny - more ? FrameRules::kAny : inflated + more;
}

}  // namespace

void Tunnel::terminate(const Terminated& terminated) {
  for (Direction* direction : {&to_upstream_, &to_client_}) {
    FrameRules rules = opening_.rules->frames;
    const bool from_client = direction->sender == Party::client;
    TranscoderRules wanted{.from_client = from_client, .max_message = rules.max_message, .observe = rules.observe, .deflate = terminated.deflate};
    wanted.memory = &metrics_.compression_memory;
    wanted.sizes = &direction->metrics->message_bytes;  // not the walker's, which may walk the same message again
    direction->translation = std::make_unique<Translation>(Translation{Transcoder(wanted)});
    rules.masked = from_client;
    if (from_client && terminated.deflate) {
      rules.reserved_bits = kDeflatedBit;
      rules.max_message = wire_limit(rules.max_message);
    }
    direction->walker = FrameWalker(rules);
  }
}

// Once no data has come for a while, what compresses them is given back.
Clock::time_point Tunnel::gives_back_memory_at() const noexcept {
  const auto has_some = [](const Direction& direction) { return direction.translation && direction.translation->transcoder.holds_spare_memory(); };
  return has_some(to_upstream_) || has_some(to_client_) ? last_data_ + kGivesBackAfter : kNever;
}

void Tunnel::give_back_memory() {
  to_upstream_.translation->transcoder.give_back_memory();
  to_client_.translation->transcoder.give_back_memory();
}

std::size_t Tunnel::translate(Direction& direction, std::string_view bytes) {
  Translation& translation = *direction.translation;
  TranscoderOutput& out = owner_->transcoder_output();
  out.clear();
  const bool had_none = !translation.transcoder.holds_spare_memory();
  const Transcoder::Step step = translation.transcoder.transcode(bytes, out);
  if (!out.onward.bytes().empty()) {
    const ErrorCode error = direction.to->write({out.onward.bytes()});
    if (error) {
      cannot_send(direction, error);
      return bytes.size();
    }
    if (tap_) show(direction, out.onward.bytes());
  }
  if (!out.pongs.bytes().empty()) answer_pings(direction, out.pongs.bytes(), out.last_pong);
  if (done_) return bytes.size();
  if (had_none && translation.transcoder.holds_spare_memory() && !closing_) watch();
  if (const Violation seen = translation.transcoder.take_observed(); seen != Violation::none) note_violation(direction.sender, seen);
  if (step.taken < bytes.size()) {
    direction.walker = translation.before;
    direction.walker.walk(bytes.data(), step.taken);
    translation.full = step.violation == Violation::none;
    // What a few bytes have become was work as well: the turn is to end as if it had been read.
    direction.bytes += out.onward.size();
    direction.put_back += out.onward.size();
  }
  if (step.violation != Violation::none) direction.walker.refuse(step.violation);
  return step.taken;
}

// While the sender takes no bytes, only the last Ping has to be answered (RFC 6455 5.5.3): nothing piles up.
void Tunnel::answer_pings(Direction& direction, std::string_view pongs, std::string_view last) {
  // Nothing may follow a Close, or the end of what the other side has to say.
  if (direction.other->own_close || direction.other->walker.close_seen() || direction.other->ended) return;
  if (!direction.from->flushed()) {
    direction.translation->pong_due = last;
    return direction.from->on_flushed(&Tunnel::on_event, direction.other);
  }
  direction.translation->pong_due.clear();
  if (const ErrorCode error = direction.from->write({pongs})) cannot_send(*direction.other, error);
}

void Tunnel::put_due_pong(Direction& direction) {
  if (direction.translation->pong_due.empty() || done_ || !direction.from->flushed()) return;
  const std::string pong = std::exchange(direction.translation->pong_due, {});
  answer_pings(direction, pong, pong);
}

}  // namespace sluice::websocket
