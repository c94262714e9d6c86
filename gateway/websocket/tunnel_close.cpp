// How a tunnel ends. All ways lead to finish(), which destroys it:
// - Both sides say Close by themselves (note_close): closing_, and kCloseGrace for their connections to end.
// - The gateway says it: begin_close() chooses a code for each direction, put_close() writes it as soon as the receiver stands between
//   two frames, at once or from forward(). finished() when both have answered, or ended.
// - A side breaks a rule: refuse(), which is begin_close() with the codes of close_code_for(). When the client did, answers of the backend
//   that are under way reach the client first: close_waits, and the functions that speak of answers.
// - A connection ends (sender_ended: the other side may go on), takes no more (cannot_send: what it said before is still read), or is
//   lost (lost: the tunnel ends).
// A reason for a Close of the gateway's own that depends on time belongs into end_in_time(), one that depends on frames is a Violation.
#include "gateway/websocket/frame_close_code.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::websocket {

bool Tunnel::close_due(const Direction& direction) const noexcept {
  return direction.close_code != 0 && !direction.own_close && !direction.close_waits && !direction.walker.close_seen();
}

// Whoever went first is who ended the tunnel, unless somebody said Close.
void Tunnel::note_gone(Party party) {
  const bool first = !to_client_.ended && !to_upstream_.ended && !to_client_.receiver_gone && !to_upstream_.receiver_gone;
  if (first_close_code_ == 0 && first) first_closer_ = party;
}

// One side is gone without a word.
void Tunnel::lost(Party party, const ErrorCode& error) {
  note_gone(party);
  // Browsers leave a stream of HTTP/2 by a reset, when both have said Close, and backends may.
  const bool complete = to_client_.walker.close_seen() && to_upstream_.walker.close_seen();
  const bool leaves = complete && (party == Party::client ? client_ : upstream_)->socket() == nullptr;
  if (!failure_ && !leaves) failure_ = error;
  if (party != Party::upstream || !to_client_.close_waits) return finish();
  answers_came();
  to_client_.ended = true;
  if (finished()) finish();
}

// The receiver is gone, but what it said before may still be there, and reading that tells of its end: later, since the bytes at hand lie
// where they would be read to. What comes for it meanwhile is only looked through.
void Tunnel::cannot_send(Direction& direction, const ErrorCode& error) {
  Direction& back = *direction.other;
  if (back.ended) return lost(back.sender, error);
  note_gone(back.sender);
  if (!failure_) failure_ = error;
  direction.receiver_gone = direction.own_close = true;
  back.from->yield(&Tunnel::on_event, &back);
}

void Tunnel::sender_ended(Direction& direction) {
  if (direction.other->receiver_gone) return lost(direction.sender, failure_);
  if (to_client_.close_waits) answers_came();
  if (done_) return;
  note_gone(direction.sender);
  direction.ended = true;
  direction.to->shutdown_write();
  if (finished()) return finish();
  // One side has gone after a Close: the other has this long to end as well.
  if (direction.walker.close_seen() || direction.other->walker.close_seen()) {
    closing_ = true;
    deadline_.set_after(kCloseGrace);
    go_on_after_rate();
  } else {
    watch();
  }
}

void Tunnel::note_close(Direction& direction) {
  if (first_close_code_ == 0) {
    first_close_code_ = direction.walker.close_code().value_or(1005);
    first_closer_ = direction.sender;
  }
  if (!closing_ && direction.other->walker.close_seen()) {
    closing_ = true;  // both have said Close: only the grace time is left
    deadline_.set_after(kCloseGrace);
    go_on_after_rate();
  }
}

void Tunnel::note_violation(Party violator, Violation violation) {
  metrics_.count_violation(violator, violation);
  if (violation_ != Violation::none) return;
  violation_ = violation;
  violator_ = violator;
}

// Whoever has broken a rule is told so; the other side learns that this one is gone.
void Tunnel::refuse(Party violator, Violation violation) {
  note_violation(violator, violation);
  const std::uint16_t code = close_code_for(violation);
  const std::string reason = std::string(name_of(violator)) + ": " + std::string(metrics::name_of(violation));
  if (!closing_ && first_close_code_ == 0) {
    first_close_code_ = code;
    first_closer_ = Party::gateway;
  }
  if (violator == Party::client) {
    const bool waits = violation != Violation::slow_consumer && wait_for_answers();
    begin_close(code, kGoingAway, reason, waits ? kAnswersPause : kCloseGrace);
  } else {
    begin_close(kInternalError, code, reason, kCloseGrace);
  }
}

// False: there are none to come.
bool Tunnel::wait_for_answers() {
  if (closing_ || to_client_.ended || to_client_.walker.close_seen()) return false;
  const FrameCounts& asked = to_upstream_.walker.counts();
  if (asked.frames() == 0 || Clock::now() - last_data_ > kAnswersWithin) return false;
  to_client_.close_waits = to_upstream_.close_waits = true;
  to_client_.walker.swallow_close();
  answers_end_ = Clock::now() + kAnswersWithin;
  answers_seen_ = to_client_.bytes;
  return true;
}

// The time to look has come.
void Tunnel::more_answers_or_not() {
  if (!to_upstream_.close_waits) return answers_came();
  const bool goes_on = std::exchange(answers_seen_, to_client_.bytes) != to_client_.bytes;
  if (goes_on && Clock::now() < answers_end_) return deadline_.set_after(kAnswersPause);
  deadline_.set_after(kAnswersWithin);
  tell_backend();
}

void Tunnel::tell_backend() {
  to_upstream_.close_waits = false;
  if (at_boundary(to_upstream_)) put_close(to_upstream_);
}

// Or they did not come in time: the client gets its Close.
void Tunnel::answers_came() {
  deadline_.set_after(kCloseGrace);
  if (to_upstream_.close_waits) tell_backend();
  if (done_) return;
  to_client_.close_waits = false;
  if (at_boundary(to_client_)) put_close(to_client_);
}

void Tunnel::close(std::uint16_t code, std::string_view reason, std::chrono::milliseconds grace) {
  begin_close(code, code, reason, grace);
}

void Tunnel::begin_close(std::uint16_t to_client, std::uint16_t to_upstream, std::string_view reason, std::chrono::milliseconds grace) {
  if (done_ || closing_) return;
  closing_ = true;
  to_client_.close_code = to_client;
  to_upstream_.close_code = to_upstream;
  close_reason_ = reason;
  if (first_close_code_ == 0) {
    first_close_code_ = to_client;
    first_closer_ = Party::gateway;
  }
  deadline_.set_after(to_client_.ended || to_upstream_.ended ? std::min(grace, kCloseGrace) : grace);
  for (Direction* direction : {&to_client_, &to_upstream_}) {
    const bool ready = at_boundary(*direction) && !direction->walker.close_seen() && !direction->close_waits;
    if (!done_ && ready) put_close(*direction);
  }
  if (!done_) go_on_after_rate();
  if (!done_ && finished()) finish();
}

// Frames to the backend are masked, as any client's are (RFC 6455 5.3).
std::optional<std::uint32_t> Tunnel::mask_for(Party receiver) {
  if (receiver != Party::upstream) return std::nullopt;
  return static_cast<std::uint32_t>(random_numbers()());
}

void Tunnel::put_close(Direction& direction) {
  if (direction.own_close || direction.ended) return;
  direction.own_close = true;
  const Party receiver = direction.other->sender;
  const ErrorCode error = direction.to->write({make_close_frame(direction.close_code, close_reason_, mask_for(receiver))});
  if (error) cannot_send(direction, error);
}

// Both directions have ended, or each side has answered the Close that we gave it.
bool Tunnel::finished() const noexcept {
  if (to_client_.ended && to_upstream_.ended) return true;
  if (to_client_.close_code == 0 || first_closer_ != Party::gateway) return false;
  const auto settled = [](const Direction& direction) { return direction.ended || direction.walker.close_seen(); };
  return settled(to_client_) && settled(to_upstream_);
}

}  // namespace sluice::websocket
