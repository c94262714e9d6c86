// How much the client of a tunnel may send, and how little it may take.
#include "gateway/websocket/tunnel.h"

namespace sluice::websocket {

namespace {

// Of a client whose messages may have to wait: what must wait is kept.
constexpr std::size_t kReadWhenDelayed = 8 * 1024;
// Less than that is not worth a read.
constexpr std::size_t kLeastRoom = 4 * 1024;
// What is not dropped while messages are needs some room, too: control frames, and messages in several frames; with what TLS adds.
constexpr std::size_t kRoomWhenDropping = tls::kScratchSize + 16 * 1024;

bool delays(const TunnelRules& rules) noexcept {
  return rules.message_rate && rules.message_rate->action == MessageRateRule::Action::delay;
}

}  // namespace

// How many bytes may be read now: what is kept for the receiver stays below its buffer. Where the backend waits as long as it takes, it
// goes on in large strides; where having no room has consequences, any room is used.
std::size_t Tunnel::room_for(const Direction& direction) const noexcept {
  if (direction.own_close) return tls::kScratchSize;  // nothing of it is kept
  const std::size_t kept = direction.to->kept();
  if (direction.sender == Party::client) return kept > 0 ? 0 : delays(rules()) ? kReadWhenDelayed : tls::kScratchSize;
  const SlowConsumerRule& rule = rules().slow_consumer;
  const std::size_t most = std::min(rule.buffer, tls::kScratchSize);
  if (kept == 0) return most;
  const std::size_t limit = direction.walker.drops_messages() ? rule.buffer + kRoomWhenDropping : rule.buffer;
  const std::size_t least = rule.action == SlowConsumerRule::Action::pause ? most : kLeastRoom;
  return kept + least <= limit ? std::min(most, limit - kept) : 0;
}

void Tunnel::allow_messages(Direction& direction) {
  if (direction.sender != Party::client || !rules().message_rate || closing_) return;
  granted_ = rate_.available(*rules().message_rate, Clock::now());
  direction.walker.allow(granted_);
}

void Tunnel::charge_messages(Direction& direction) {
  if (granted_ == 0 || direction.sender != Party::client) return;
  const std::uint32_t left = direction.walker.allowance();
  const std::uint32_t used = left < granted_ ? granted_ - left : 0;
  granted_ = 0;
  if (used > 0) rate_.take(*rules().message_rate, used, client_->io().loop.now());
}

// The next message comes too soon. True: it passes all the same.
bool Tunnel::over_rate(Direction& direction) {
  if (!rules().frames.observe) return false;
  note_violation(direction.sender, Violation::message_rate);
  direction.walker.allow(1);
  return true;
}

// `rest` begins with the message that came too soon.
void Tunnel::wait_for_rate(Direction& direction, std::string_view rest) {
  charge_messages(direction);
  if (rules().message_rate->action == MessageRateRule::Action::delay) {
    put_back(direction, rest);
    delayed_till_ = rate_.next(*rules().message_rate);
    return watch();
  }
  direction.walker.refuse(Violation::message_rate);
  refuse(direction.sender, Violation::message_rate);
  if (!done_) forward(direction, rest);  // its Close may be among it
}

void Tunnel::go_on_after_rate() {
  to_upstream_.walker.allow(FrameWalker::kUnlimited);
  if (std::exchange(delayed_till_, kNever) != kNever) client_->yield(&Tunnel::on_event, &to_upstream_);
}

// It has had no room for slow_consumer.after.
void Tunnel::client_is_slow() {
  slow_at_ = kNever;
  if (room_for(to_client_) > 0) {
    to_client_.paused = false;
    return pump(to_client_);
  }
  if (rules().frames.observe) return note_violation(Party::client, Violation::slow_consumer);
  if (rules().slow_consumer.action == SlowConsumerRule::Action::close) return refuse(Party::client, Violation::slow_consumer);
  if (!may_drop()) return;
  to_client_.walker.drop_messages(true);
  pump(to_client_);
}

}  // namespace sluice::websocket
