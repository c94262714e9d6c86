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

// Wakes up when so much quiet may be over, or when it is time to leave.
void Tunnel::watch_for(std::optional<std::chrono::milliseconds> quiet) {
  if (leaves_at_ != Clock::time_point{}) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(leaves_at_ - Clock::now());
    const auto stays = std::max(left, std::chrono::milliseconds(0));
    quiet = std::min(quiet.value_or(stays), stays);
  }
  deadline_.set_after(quiet);
}

void Tunnel::leave(std::chrono::milliseconds most) {
  if (done_ || closing_) return;
  const std::chrono::milliseconds within = std::min(rules().leave_within, most);
  // It keeps its moment when it is told again, or those that are told often would all go soon; but a drain may leave less time.
  const bool planned = leaves_at_ != Clock::time_point{} && !moves_;
  if (planned && leaves_at_ <= Clock::now() + within) return;
  moves_ = false;
  choose_departure(within);
  on_time();
}

bool Tunnel::move(std::chrono::milliseconds within) {
  if (done_ || closing_ || leaves_at_ != Clock::time_point{}) return false;
  moves_ = true;
  choose_departure(within);
  on_time();
  return true;
}

bool Tunnel::stay() {
  if (done_ || closing_ || !moves_) return false;
  moves_ = false;
  leaves_at_ = {};
  on_time();
  return true;
}

void Tunnel::choose_departure(std::chrono::milliseconds within) {
  std::uniform_int_distribution<std::int64_t> moments(0, within.count());
  leaves_at_ = Clock::now() + std::chrono::milliseconds(moments(random_numbers()));
}

void Tunnel::on_time() {
  if (closing_) return finish();
  if (leaves_at_ != Clock::time_point{} && Clock::now() >= leaves_at_) {
    if (moves_) metrics_.moved.add();
    const TunnelSet::Farewell& farewell = owner_->farewell();
    return close(farewell.code.value_or(rules().leave_code), farewell.reason, kCloseGrace);
  }
  const auto quiet = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_data_);
  const std::optional<std::chrono::milliseconds> limit = quiet_limit();
  if (!limit) return watch_for({});
  if (quiet < *limit) return watch_for(*limit - quiet);
  if (to_client_.ended || to_upstream_.ended) return finish();  // half-closed, and nothing comes the other way
  close(kGoingAway, "idle timeout", kCloseGrace);
}

}  // namespace sluice::websocket
