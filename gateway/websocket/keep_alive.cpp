#include "gateway/websocket/keep_alive.h"

#include <algorithm>

namespace sluice::websocket {

KeepAlive::Step KeepAlive::step(const PingRule& rule, const SignsOfLife& signs, Clock::time_point now) noexcept {
  if (asked_at_ == Clock::time_point{}) return Step::ask;
  if (signs.received != received_) {
    due_ = std::max(asked_at_ + rule.interval, now);
    asked_at_ = {};
    return due_ > now ? Step::wait : Step::ask;
  }
  const bool takes = signs.acknowledged != acknowledged_;
  if (backlog_ && (takes || signs.all_acknowledged)) return Step::ask;
  if (signs.all_acknowledged || !takes) return Step::gone;
  acknowledged_ = signs.acknowledged;
  due_ = now + rule.timeout;
  return Step::wait;
}

void KeepAlive::asked(Ping ping, const PingRule& rule, const SignsOfLife& signs, Clock::time_point now) noexcept {
  if (ping == Ping::ours) pinged_at_ = now;
  backlog_ = ping == Ping::none;
  asked_at_ = now;
  received_ = signs.received;
  acknowledged_ = signs.acknowledged;
  due_ = now + rule.timeout;
}

Clock::duration KeepAlive::answered(const PingRule& rule, Clock::time_point now) noexcept {
  if (asked_at_ != Clock::time_point{}) due_ = std::max(asked_at_ + rule.interval, now);
  asked_at_ = {};
  return now - pinged_at_;
}

}  // namespace sluice::websocket
