#include "upstream/upstream_health.h"

#include <algorithm>

#include "config/value_text.h"
#include "metrics/log.h"

namespace sluice::upstream {

UpstreamHealth::Member::Member(tls::TimerWheel& wheel, config::Endpoint its_endpoint, std::shared_ptr<EndpointState> its_state)
    : endpoint(std::move(its_endpoint)),
      state(std::move(its_state)),
      ejection_ends(
          wheel,
          [](void* self) {
            Member& member = *static_cast<Member*>(self);
            member.owner->ejection_ended(member);
          },
          this) {}

UpstreamHealth::UpstreamHealth(tls::TimerWheel& wheel, const WatchedUpstream& watched, const metrics::HealthMetrics& metrics,
                               Told told, UpstreamHealth* before)
    : wheel_(wheel), settings_(watched.settings), metrics_(metrics), told_(std::move(told)) {
  adopt(watched, before);
  count();
  note_panic();
}

UpstreamHealth::~UpstreamHealth() {
  for (const std::unique_ptr<Member>& member : members_) {
    member->state->failures.store(0, std::memory_order_relaxed);
    if (member->state->out.exchange(false)) told_(member->state, false);
  }
}

void UpstreamHealth::retire() {
  for (metrics::Gauge* gauge : {&metrics_.healthy, &metrics_.unhealthy, &metrics_.ejected, &metrics_.panic}) gauge->set(0);
}

// What is known of an endpoint goes on with it, as far as the new settings still ask for it.
void UpstreamHealth::adopt(const WatchedUpstream& watched, UpstreamHealth* before) {
  if (before != nullptr) panic_ = before->panic_;
  for (std::size_t i = 0; i < watched.states.size(); ++i) {
    const auto is_it = [&](const std::unique_ptr<Member>& member) { return member->state == watched.states[i]; };
    if (std::any_of(members_.begin(), members_.end(), is_it)) continue;
    std::unique_ptr<Member> member;
    if (before != nullptr) {
      const auto known = std::find_if(before->members_.begin(), before->members_.end(), is_it);
      if (known != before->members_.end()) {
        member = std::move(*known);
        before->members_.erase(known);
      }
    }
    if (!member) member = std::make_unique<Member>(wheel_, watched.settings.endpoints[i], watched.states[i]);
    member->owner = this;
    members_.push_back(std::move(member));
  }
  for (const std::unique_ptr<Member>& member : members_) {
    if (!member->ejected || (settings_.outlier.consecutive_failures && members_.size() > 1)) continue;
    member->ejected = false;
    member->ejection_ends.clear();
    changed(*member);
  }
}

void UpstreamHealth::failing(const EndpointState* state, std::string_view reason) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [state](const std::unique_ptr<Member>& member) { return member->state.get() == state; });
  if (found == members_.end() || (*found)->ejected || !settings_.outlier.consecutive_failures) return;
  Member& member = **found;
  const std::uint64_t failures = *settings_.outlier.consecutive_failures;
  if (count_out() >= most_ejected()) {
    member.state->failures.store(0, std::memory_order_relaxed);  // the next row is told again
    if (member.spared) return;
    member.spared = true;
    metrics::log().warn("upstream {}: {} fails ({} in a row, the last one {}), but stays in: of {} endpoints {} are out, and outlier.max_ejected is {}%",
                        settings_.name, member.endpoint.url, failures, reason, members_.size(), count_out(),
                        settings_.outlier.max_ejected);
    return;
  }
  member.ejected = true;
  metrics_.ejections.add();
  metrics::log().warn("upstream {}: {} is ejected for {}: {} failures in a row, the last one {}", settings_.name,
                      member.endpoint.url, config::duration_text(settings_.outlier.eject_for), failures, reason);
  member.ejection_ends.set_after(settings_.outlier.eject_for);
  changed(member);
}

// On probation: the next failure ejects it again, an answer clears it.
void UpstreamHealth::ejection_ended(Member& member) {
  member.ejected = false;
  const std::uint64_t failures = settings_.outlier.consecutive_failures.value_or(1) - 1;
  member.state->failures.store(static_cast<std::uint32_t>(failures), std::memory_order_relaxed);
  metrics::log().info("upstream {}: {} is tried again after its ejection", settings_.name, member.endpoint.url);
  changed(member);
}

std::size_t UpstreamHealth::count_out() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const auto& member) { return member->is_out(); }));
}

// At least one where there is another one left.
std::size_t UpstreamHealth::most_ejected() const noexcept {
  if (members_.size() < 2) return 0;
  return std::max<std::size_t>(members_.size() * settings_.outlier.max_ejected / 100, 1);
}

void UpstreamHealth::changed(Member& member) {
  for (const std::unique_ptr<Member>& each : members_) each->spared = false;
  const bool out = member.is_out();
  if (member.state->out.exchange(out) != out) told_(member.state, out);
  count();
  note_panic();
}

void UpstreamHealth::note_panic() {
  const bool all_out = !members_.empty() && count_out() == members_.size();
  if (all_out == panic_) return;
  panic_ = all_out;
  metrics_.panic.set(panic_);
  if (panic_) {
    metrics::log().error("upstream {}: all {} endpoints are out; requests are spread over all of them until one is back",
                         settings_.name, members_.size());
  } else {
    metrics::log().info("upstream {}: {} of {} endpoints are in again", settings_.name, members_.size() - count_out(),
                        members_.size());
  }
}

void UpstreamHealth::count() {
  const std::size_t out = count_out();
  metrics_.healthy.set(static_cast<std::int64_t>(members_.size() - out));
  metrics_.ejected.set(static_cast<std::int64_t>(out));
}

}  // namespace sluice::upstream
