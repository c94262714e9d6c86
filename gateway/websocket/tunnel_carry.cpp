// How a tunnel carries bytes. What is called from one place for every message is inline: of some 950 instructions for carrying one that
// saves 54 (2026-11, callgrind).
#include <cassert>

#include "gateway/websocket/text_inspection.h"
#include "gateway/websocket/translation.h"
#include "gateway/websocket/tunnel.h"
#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::websocket {

void Tunnel::on_event(void* direction) {
  Direction& ready = *static_cast<Direction*>(direction);
  ready.tunnel->pump(ready);
}

// Carries what is there, until there is nothing, or the receiver takes no more, or this turn's share is used up.
void Tunnel::pump(Direction& direction) {
  if (direction.other->translation) put_due_pong(*direction.other);
  // To deflate is ten times the work of passing on: five such tunnels, with 256 KiB in a turn, made the others wait four times as long.
  const std::size_t share = direction.translation ? tls::kScratchSize : tls::kBytesPerTurn;
  const std::uint64_t turn_ends = direction.bytes + share;
  while (!done_ && !direction.ended) {
    if (!may_read(direction)) return;
    if (direction.bytes >= turn_ends) return direction.from->yield(&Tunnel::on_event, &direction);
    if (!carry_once(direction)) return;
  }
}

// False: it is called again when that has changed.
inline bool Tunnel::may_read(Direction& direction) {
  if (direction.own_close) return true;  // what comes is only looked through
  if (direction.to->flushed()) {
    if (direction.paused) resume(direction);
    return direction.sender != Party::client || delayed_till_ == kNever;
  }
  direction.to->on_flushed(&Tunnel::on_event, &direction);
  if (room_for(direction) > 0) return true;
  pause(direction);
  return false;
}

void Tunnel::pause(Direction& direction) {
  if (std::exchange(direction.paused, true)) return;
  direction.metrics->pauses.add();
  if (direction.sender == Party::client || rules().slow_consumer.action == SlowConsumerRule::Action::pause || closing_) return;
  slow_at_ = Clock::now() + rules().slow_consumer.after;
  watch();
}

void Tunnel::resume(Direction& direction) {
  direction.paused = false;
  if (direction.sender == Party::client) return;
  slow_at_ = kNever;
  direction.walker.drop_messages(false);
}

inline bool Tunnel::carry_once(Direction& direction) {
  const FrameCounts before = direction.walker.counts();
  char* scratch = direction.from->io().scratch();
  allow_messages(direction);
  const std::optional<tls::ReadResult> spliced = direction.walker.frames_are_large() ? splice_large(direction) : std::nullopt;
  const tls::ReadResult result = spliced ? *spliced : read_behind_held(direction, scratch);
  if (result.error == tls::StreamError::would_block) {
    direction.from->on_readable(&Tunnel::on_event, &direction);
    return false;
  }
  if (result.error) {
    if (!direction.to->flushed()) {  // what is kept for the receiver would end with the tunnel
      direction.to->on_flushed(&Tunnel::on_event, &direction);
      return false;
    }
    if (result.error == tls::StreamError::eof) {
      sender_ended(direction);
    } else {
      lost(direction.sender, result.error);
    }
    return false;
  }
  const std::uint64_t read_before = direction.bytes - direction.put_back;
  direction.bytes += result.size;
  if (!spliced) {
    const std::size_t held = direction.held.size();
    direction.held.clear();
    forward(direction, {scratch, held + result.size});
  } else if (const ErrorCode& error = direction.to->write_error()) {
    cannot_send(direction, error);
  } else if (close_due(direction) && direction.walker.at_boundary()) {
    put_close(direction);
  }
  // A counter never goes down, also when the beginning of a header is put back that was counted before.
  const std::uint64_t read = direction.bytes - direction.put_back;
  if (read > read_before) direction.metrics->bytes.add(read - read_before);
  charge_messages(direction);
  if (done_) return false;
  account(direction, before);
  if (finished()) {
    finish();
    return false;
  }
  if (!result.drained || !direction.to->flushed()) return true;
  direction.from->on_readable(&Tunnel::on_event, &direction);
  return false;
}

// What did not pass before lies in front of what is read.
tls::ReadResult Tunnel::read_behind_held(Direction& direction, char* to) {
  const std::size_t held = direction.held.size();
  const std::size_t most = std::max(room_for(direction), held + 1);
  const tls::ReadResult result = direction.from->read_some(to + held, most - held);
  std::copy(direction.held.begin(), direction.held.end(), to);
  return result;
}

// What is left of a large frame's payload goes from socket to socket, and so does all of the next one, whose header is looked
// at where it lies. An echo of 64 KiB takes 34 to 40 us so, 45 to 96 through our memory (2026-11, EPYC; the copies' time depends on
// the core that has the pages). Nothing: no such frame is due, read.
std::optional<tls::ReadResult> Tunnel::splice_large(Direction& direction) {
  FrameWalker& walker = direction.walker;
  const bool looked_at = direction.translation || direction.inspection || tap_;
  const bool in_pieces = !direction.held.empty() || walker.fate() != Fate::passes;
  if (looked_at || in_pieces || direction.own_close || !direction.to->flushed() || rules().slow_consumer.buffer < tls::kScratchSize) return {};
  tls::Stream* from = direction.from->socket();
  tls::Stream* to = direction.to->socket();
  if (from == nullptr || to == nullptr || !from->can_splice_to(*to)) return {};
  FrameWalker ahead = walker.look_ahead();
  char header[FrameHeader::kMaxSize];
  std::size_t seen = 0;
  bool several = false;
  if (walker.at_boundary()) {
    const tls::ReadResult peeked = from->peek(header, sizeof header);
    if (peeked.error) return peeked;
    seen = ahead.walk(header, peeked.size);
    several = ahead.counts().frames() > walker.counts().frames() + 1;
  }
  if (several || seen + ahead.data_left() < FrameWalker::kLargePayload) {
    if (seen > 0) walker.expect_small();  // so that the same bytes are not looked at again
    return {};
  }
  const std::size_t size = seen + std::min<std::uint64_t>(ahead.data_left(), tls::kMostSpliced);
  const std::optional<tls::ReadResult> result = from->splice_to(*to, size);
  if (!result) return {};
  walker.adopt(ahead);
  if (result->size < seen) {
    walker.take_back(seen - result->size);
  } else {
    walker.pass_unseen(result->size - seen);
  }
  return result;
}

void Tunnel::forward(Direction& direction, std::string_view bytes) {
  FrameWalker& walker = direction.walker;
  // While we wait to put our Close in, only what completes the frame that is under way may still pass.
  std::size_t most = bytes.size();
  const bool closes_here = close_due(direction);
  if (closes_here) {
    const std::size_t boundary = walker.boundary_within(bytes.data(), bytes.size());
    if (boundary > 0) most = boundary;
  }
  const bool was_closed = walker.close_seen();
  const bool was_broken = walker.violation() != Violation::none;
  std::size_t walked = was_closed ? 0 : pass_frames(direction, bytes.substr(0, most));
  if (done_) return;
  if (direction.translation && std::exchange(direction.translation->full, false)) return put_back(direction, bytes.substr(walked));
  if (walker.close_seen() && !was_closed) note_close(direction);
  if (walker.close_seen() && to_client_.close_waits) answers_came();
  if (done_) return;
  if (!was_broken && walker.violation() != Violation::none) refuse(direction.sender, walker.violation());
  if (closes_here && !walker.close_seen() && walker.at_boundary()) put_close(direction);
  if (walked == bytes.size() || done_ || walker.close_seen()) return;
  if (walker.waits() && !direction.own_close) return wait_for_rate(direction, bytes.substr(walked));
  if (direction.own_close || walker.violation() != Violation::none) walked += look_through(direction, bytes.substr(walked));
  if (walker.close_seen()) return;
  assert(bytes.size() - walked <= FrameWalker::kMaxHeld);
  direction.held.assign(bytes.substr(walked));
}

// Nothing of this passes any more: all that is of interest is whether the sender says Close. Returns how many bytes were seen; what is
// left is the beginning of a header, or of a Close.
std::size_t Tunnel::look_through(Direction& direction, std::string_view bytes) {
  FrameWalker& walker = direction.walker;
  walker.allow(FrameWalker::kUnlimited);
  std::size_t seen = 0;
  bool broken = false;
  do {
    broken = walker.violation() != Violation::none;
    while (const std::size_t run = walker.walk(bytes.data() + seen, bytes.size() - seen)) seen += run;
  } while (!broken && walker.violation() != Violation::none);  // it was broken only now: what follows is walked otherwise
  return seen;
}

// Runs of frames that have one fate. Returns how many bytes are dealt with; the rest must not pass, or not yet.
inline std::size_t Tunnel::pass_frames(Direction& direction, std::string_view bytes) {
  FrameWalker& walker = direction.walker;
  std::size_t walked = 0;
  while (walked < bytes.size()) {
    const bool discard = direction.own_close || walker.violation() != Violation::none;
    if (direction.translation) direction.translation->before = walker;
    if (direction.inspection) direction.inspection->before = walker;
    const std::size_t run = walker.walk(bytes.data() + walked, bytes.size() - walked);
    if (run == 0) {
      if (walker.waits() && over_rate(direction)) continue;
      break;
    }
    const std::size_t passed = walker.fate() == Fate::passes && !discard ? pass(direction, bytes.substr(walked, run)) : run;
    if (done_) break;
    if (walker.fate() == Fate::swallowed && !walker.close_seen()) pong_came(direction);
    walked += passed;
    if (passed < run || (!discard && walker.violation() != Violation::none)) break;  // what follows is walked otherwise from here on
  }
  return walked;
}

inline std::size_t Tunnel::pass(Direction& direction, std::string_view bytes) {
  if (direction.translation) return translate(direction, bytes);
  if (direction.inspection) bytes = inspect(direction, bytes);
  if (bytes.empty()) return 0;
  if (const ErrorCode error = direction.to->write({bytes})) {
    cannot_send(direction, error);
  } else if (tap_) {
    show(direction, bytes);
  }
  return bytes.size();
}

// It is read again as what comes next.
void Tunnel::put_back(Direction& direction, std::string_view rest) {
  direction.from->unread(rest);
  direction.put_back += rest.size();
}

void Tunnel::show(const Direction& direction, std::string_view bytes) {
  if (tap_->left()) return tap_.reset();
  tap_->pass(direction.sender, bytes);
}

inline void Tunnel::account(Direction& direction, const FrameCounts& before) {
  const FrameCounts& after = direction.walker.counts();
  if (after.payload_bytes != before.payload_bytes || after.data_frames() != before.data_frames()) {
    last_data_ = direction.from->io().loop.now();
    direction.metrics->frames.add(after.data_frames() - before.data_frames());
    direction.metrics->messages.add(after.messages - before.messages);
    if (after.messages != before.messages) direction.lately.add(after.messages - before.messages, last_data_);
    if (after.dropped != before.dropped) metrics_.dropped.add(after.dropped - before.dropped);
  }
  if (after.control_frames() != before.control_frames()) account_control_frames(direction, before);
  const FrameWalker::Observed seen = direction.walker.take_observed();
  for (std::uint32_t i = 0; i < seen.frames; ++i) note_violation(direction.sender, Violation::frame_too_big);
  for (std::uint32_t i = 0; i < seen.messages; ++i) note_violation(direction.sender, Violation::message_too_big);
}

void Tunnel::account_control_frames(Direction& direction, const FrameCounts& before) {
  const FrameCounts& after = direction.walker.counts();
  direction.metrics->frames.add(after.control_frames() - before.control_frames());
  direction.metrics->pings.add(after.pings - before.pings);
  direction.metrics->pongs.add(after.pongs - before.pongs);
  direction.metrics->closes.add(after.closes - before.closes);
  if (after.pings != before.pings && !direction.translation) {
    direction.other->owes_pong = true;
    direction.other->walker.expect_answers(after.pings - before.pings);
  }
  if (after.pongs != before.pongs) direction.owes_pong = false;
}

}  // namespace sluice::websocket
