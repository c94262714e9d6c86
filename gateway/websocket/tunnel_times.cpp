// What happens to a tunnel at a time.
#include "gateway/websocket/tunnel.h"
#include "gateway/websocket/tunnel_set.h"

namespace sluice::websocket {
namespace {

// A tunnel of which one side has gone without Close: the other still may send, but not be silent for long.
constexpr std::chrono::milliseconds kHalfClosedQuiet{60000};

}  // namespace

std::optional<std::chrono::milliseconds> Tunnel::quiet_limit() const noexcept {
  if (!to_client_.ended && !to_upstream_.ended) return rules().idle_timeout;
  return std::min(rules().idle_timeout.value_or(kHalfClosedQuiet), kHalfClosedQuiet);
}

Clock::time_point Tunnel::quiet_ends() const noexcept {
  const std::optional<std::chrono::milliseconds> limit = quiet_limit();
  return limit ? last_data_ + *limit : kNever;
}

Clock::time_point Tunnel::lifetime_ends() const noexcept {
  return rules().max_lifetime && !outlived_ ? opened_ + *rules().max_lifetime : kNever;
}

// Wakes up for what comes first.
void Tunnel::watch() {
  if (closing_) return;  // only the grace time is left
  const Clock::time_point next = std::min({leaves_at_, lifetime_ends(), quiet_ends(), slow_at_, delayed_till_, gives_back_memory_at(),
                                           to_client_.alive.due(), to_upstream_.alive.due()});
  if (next == kNever) return deadline_.clear();
  deadline_.set_after(std::max(std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()), std::chrono::milliseconds(0)));
}

void Tunnel::leave(std::chrono::milliseconds most) {
  if (done_ || closing_) return;
  const std::chrono::milliseconds within = std::min(rules().leave_within, most);
  // It keeps its moment when it is told again, or those that are told often would all go soon; but a drain may leave less time.
  const bool planned = leaves_at_ != kNever && !moves_;
  if (planned && leaves_at_ <= Clock::now() + within) return;
  moves_ = false;
  choose_departure(within);
  on_time();
}

bool Tunnel::move(std::chrono::milliseconds within) {
  if (done_ || closing_ || leaves_at_ != kNever) return false;
  moves_ = true;
  choose_departure(within);
  on_time();
  return true;
}

bool Tunnel::stay() {
  if (done_ || closing_ || !moves_) return false;
  moves_ = false;
  leaves_at_ = kNever;
  on_time();
  return true;
}

bool Tunnel::dismiss(std::shared_ptr<const Dismissal> dismissal, std::chrono::milliseconds within) {
  if (done_ || closing_) return false;
  const Clock::time_point planned = moves_ ? kNever : leaves_at_;
  dismissal_ = std::move(dismissal);
  moves_ = false;
  choose_departure(within);
  leaves_at_ = std::min(planned, leaves_at_);
  on_time();
  return true;
}

void Tunnel::choose_departure(std::chrono::milliseconds within) {
  std::uniform_int_distribution<std::int64_t> moments(0, within.count());
  leaves_at_ = Clock::now() + std::chrono::milliseconds(moments(random_numbers()));
}

void Tunnel::on_time() {
  if (closing_) return to_client_.close_waits ? more_answers_or_not() : finish();
  const Clock::time_point now = Clock::now();
  if (end_in_time(now)) return;
  if (!still_there(to_client_, now) || !still_there(to_upstream_, now)) return;
  if (slow_at_ <= now) client_is_slow();
  if (gives_back_memory_at() <= now) give_back_memory();
  if (!done_ && !closing_ && delayed_till_ <= now) {
    delayed_till_ = kNever;
    pump(to_upstream_);
  }
  if (!done_ && !closing_) watch();
}

bool Tunnel::end_in_time(Clock::time_point now) {
  if (leaves_at_ <= now) {
    if (moves_) metrics_.moved.add();
    const TunnelSet::Farewell& farewell = owner_->farewell();
    dismissal_ ? close(dismissal_->code, dismissal_->reason, kCloseGrace)
               : close(farewell.code.value_or(rules().leave_code), farewell.reason, kCloseGrace);
  } else if (lifetime_ends() <= now && rules().frames.observe) {
    outlived_ = true;
    metrics_.count_observed(metrics::Observed::max_lifetime);
    return false;
  } else if (lifetime_ends() <= now) {
    close(kGoingAway, "max_lifetime", kCloseGrace);
  } else if (quiet_ends() <= now && (to_client_.ended || to_upstream_.ended)) {
    finish();  // half-closed, and nothing comes the other way
  } else if (quiet_ends() <= now) {
    close(kGoingAway, "idle timeout", kCloseGrace);
  } else {
    return false;
  }
  return true;
}

}  // namespace sluice::websocket
