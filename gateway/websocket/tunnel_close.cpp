// How a tunnel ends.
#include "gateway/websocket/tunnel.h"

namespace sluice::websocket {

bool Tunnel::close_due(const Direction& direction) const noexcept {
  return direction.close_code != 0 && !direction.own_close && !direction.close_waits && !direction.walker.close_seen();
}

// One side is gone without a word; whoever went first is who ended the tunnel.
void Tunnel::lost(Party party, const ErrorCode& error) {
  if (first_close_code_ == 0 && !to_client_.ended && !to_upstream_.ended) first_closer_ = party;
  if (!failure_) failure_ = error;
  if (party != Party::upstream || !to_client_.close_waits) return finish();
  answers_came();
  to_client_.ended = true;
  if (finished()) finish();
}

void Tunnel::sender_ended(Direction& direction) {
  if (to_client_.close_waits) answers_came();
  if (done_) return;
  direction.ended = true;
  if (first_close_code_ == 0 && !direction.other->ended) first_closer_ = direction.sender;
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
  if (!error) return;
  if (direction.to->error() || direction.other->ended) return lost(receiver, error);
  if (!failure_) failure_ = error;  // it may have said something before it went: reading tells its end
}

// Both directions have ended, or each side has answered the Close that we gave it.
bool Tunnel::finished() const noexcept {
  if (to_client_.ended && to_upstream_.ended) return true;
  if (to_client_.close_code == 0 || first_closer_ != Party::gateway) return false;
  const auto settled = [](const Direction& direction) { return direction.ended || direction.walker.close_seen(); };
  return settled(to_client_) && settled(to_upstream_);
}

}  // namespace sluice::websocket
