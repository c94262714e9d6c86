// Whether both sides of a tunnel are still there: Pings of our own, in between frames.
#include "gateway/websocket/tunnel.h"
#include "tls/stream_error.h"

namespace sluice::websocket {

// Those that were opened together are not asked together.
void Tunnel::begin_asking() {
  const PingRule& rule = rules().ping;
  if (!rule.client && !rule.upstream) return;
  std::uniform_int_distribution<std::int64_t> moments(rule.interval.count() / 2, rule.interval.count());
  const Clock::time_point first = opened_ + std::chrono::milliseconds(moments(random_numbers()));
  if (rule.client) to_upstream_.alive.begin(first);
  if (rule.upstream) to_client_.alive.begin(first);
}

// False: the sender of this direction is not, and the tunnel ends.
bool Tunnel::still_there(Direction& direction, Clock::time_point now) {
  if (now < direction.alive.due()) return true;
  // Nothing may follow a Close, or the end of what the other side has to say.
  const bool silenced = direction.other->own_close || direction.other->walker.close_seen() || direction.other->ended;
  if (silenced || direction.ended || direction.walker.close_seen()) {
    direction.alive.end();
    return true;
  }
  const std::size_t under_way = direction.from->unacknowledged();
  const SignsOfLife signs{direction.bytes - direction.put_back, direction.from->bytes_written() + direction.from->kept() - under_way, under_way == 0};
  if (is_waiting(direction)) {  // what it says is not read
    direction.alive.postpone(rules().ping, now);
    return true;
  }
  const KeepAlive::Step step = direction.alive.step(rules().ping, signs, now);
  if (step == KeepAlive::Step::ask) ask(direction, signs, now);
  if (step == KeepAlive::Step::gone) vanished(direction);
  return !done_ && step != KeepAlive::Step::gone;
}

void Tunnel::ask(Direction& direction, const SignsOfLife& signs, Clock::time_point now) {
  using Ping = KeepAlive::Ping;
  const PingRule& rule = rules().ping;
  if (direction.owes_pong) return direction.alive.asked(Ping::others, rule, signs, now);
  if (!direction.from->flushed()) return direction.alive.asked(Ping::none, rule, signs, now);
  if (!at_boundary(*direction.other)) return direction.alive.postpone(rule, now);
  FrameWalker& walker = direction.walker;
  const std::uint64_t payload = walker.pong_expected() ? walker.last_pong() + 1 : std::uniform_int_distribution<std::uint64_t>()(random_numbers());
  const ErrorCode error = direction.from->write({make_ping_frame(payload, mask_for(direction.sender))});
  if (error) return cannot_send(*direction.other, error);
  walker.expect_pong(payload);
  direction.alive.asked(Ping::ours, rule, signs, now);
}

void Tunnel::pong_came(Direction& direction) {
  if (direction.walker.pong_expected()) return;  // to an earlier Ping: how long it took nobody knows
  const Clock::duration took = direction.alive.answered(rules().ping, Clock::now());
  metrics_of(direction.sender).round_trip.observe(std::chrono::duration<double>(took).count());
}

// It is told all the same, if it should hear; only the other side's answer is waited for.
void Tunnel::vanished(Direction& direction) {
  metrics_of(direction.sender).vanished.add();
  if (!failure_) failure_ = tls::StreamError::ping_timeout;
  const std::string reason = std::string(name_of(direction.sender)) + ": no answer to a Ping";
  begin_close(kInternalError, direction.sender == Party::client ? kGoingAway : kInternalError, reason, kCloseGrace);
  if (done_) return;
  direction.ended = true;
  if (finished()) finish();
}

}  // namespace sluice::websocket
