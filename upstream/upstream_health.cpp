#include "upstream/upstream_health.h"

#include <algorithm>

#include "config/counted.h"
#include "config/value_text.h"
#include "metrics/log.h"
#include "metrics/log_text.h"
#include "upstream/proxy_header.h"

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

// Why it is out; both reasons where it has both.
std::string UpstreamHealth::Member::reason() const {
  std::string text;
  if (unhealthy) text = "unhealthy: " + problem;
  if (ejected) text += (text.empty() ? "ejected until " : "; ejected until ") + ejected_until + ": " + failure;
  return text;
}

UpstreamHealth::UpstreamHealth(tls::WorkerIo& io, const WatchedUpstream& watched, const metrics::HealthMetrics& metrics, Told told)
    : io_(io), settings_(watched.settings), tls_context_(watched.tls_context), metrics_(metrics), told_(std::move(told)) {}

// Should memory run out here, what was adopted already is let go as by the destructor.
UpstreamHealth::UpstreamHealth(tls::WorkerIo& io, const WatchedUpstream& watched, const metrics::HealthMetrics& metrics,
                               Told told, UpstreamHealth* before)
    : UpstreamHealth(io, watched, metrics, std::move(told)) {
  adopt(watched, before);
  drop_what_is_not_asked_for();
  count();
  note_panic();
  const bool closes = settings_.on_unhealthy == config::OnUnhealthy::close;
  if (closes && before != nullptr && before->settings_.on_unhealthy != config::OnUnhealthy::close) let_tunnels_go();
}

// on_unhealthy has become `close`: it holds for those that are out already.
void UpstreamHealth::let_tunnels_go() {
  for (const std::unique_ptr<Member>& member : members_) {
    if (member->is_out()) told_({member->state, true, true});
  }
}

UpstreamHealth::~UpstreamHealth() {
  for (const std::unique_ptr<Member>& member : members_) {
    member->state->failures.store(0, std::memory_order_relaxed);
    member->state->set_reason({});
    if (!member->state->out.exchange(false)) continue;
    try {
      told_({member->state, false, false});
    } catch (const std::exception& error) {  // memory ran out: workers leave it alone until their next configuration
      metrics::log().error("upstream {}: {}", settings_.name, error.what());
    }
  }
}

void UpstreamHealth::retire() {
  for (metrics::Gauge* gauge : {&metrics_.healthy, &metrics_.unhealthy, &metrics_.ejected, &metrics_.panic}) gauge->set(0);
}

// What is known of an endpoint goes on with it.
void UpstreamHealth::adopt(const WatchedUpstream& watched, UpstreamHealth* before) {
  if (before != nullptr) panic_ = before->panic_;
  const bool same_checks = before != nullptr && watched.tls_unchanged && before->settings_.health_check == settings_.health_check &&
                           before->settings_.proxy_protocol == settings_.proxy_protocol &&
                           before->settings_.protocol == settings_.protocol;
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
    if (!member) member = std::make_unique<Member>(io_.wheel, watched.settings.endpoints[i], watched.states[i]);
    member->owner = this;
    // Those under way go on, or none would ever end where endpoints come and go faster than checks.
    if (!same_checks || member->endpoint.discovered_as != watched.settings.endpoints[i].discovered_as) member->check.reset();
    member->endpoint = watched.settings.endpoints[i];
    members_.push_back(std::move(member));
  }
}

void UpstreamHealth::drop_what_is_not_asked_for() {
  const bool ejects = settings_.outlier.consecutive_failures && members_.size() > 1;
  for (const std::unique_ptr<Member>& member : members_) {
    if (!ejects && member->ejected) {
      member->state->failures.store(0, std::memory_order_relaxed);
      member->ejection_ends.clear();
      change(*member, &Member::ejected, false);
    }
    if (!settings_.health_check && member->checked) {
      member->checked = false;
      if (member->unhealthy) change(*member, &Member::unhealthy, false);
    }
  }
}

void UpstreamHealth::start_checks(HttpProbe http_probe) {
  if (!settings_.health_check) return;
  const bool h2 = settings_.health_check->kind == config::CheckKind::grpc || settings_.protocol == config::UpstreamProtocol::h2;
  for (const std::unique_ptr<Member>& member : members_) {
    Member& checked = *member;
    if (checked.check) continue;
    checked.check = std::make_unique<HealthCheck>(
        CheckTools{io_, http_probe, tls_context_, h2, proxy_header(settings_.proxy_protocol, std::nullopt, std::nullopt)},
        *settings_.health_check, checked.endpoint,
        [&checked](const std::string& problem) { checked.owner->check_ended(checked, problem); });
    checked.check->start(checked.checked);
  }
}

void UpstreamHealth::set_addresses(const std::string& host, std::uint16_t port,
                                   const std::shared_ptr<const Addresses>& addresses) {
  for (const std::unique_ptr<Member>& member : members_) {
    if (member->check) member->check->set_addresses(host, port, addresses);
  }
}

void UpstreamHealth::check_ended(Member& member, const std::string& problem) {
  const bool well = problem.empty();
  (well ? metrics_.checks_passed : metrics_.checks_failed).add();
  member.passed = well ? member.passed + 1 : 0;
  member.failed = well ? 0 : member.failed + 1;
  const bool is_first = !std::exchange(member.checked, true);
  const config::HealthCheck& rules = *settings_.health_check;
  if (well == !member.unhealthy) return;
  if (!is_first && (well ? member.passed < rules.healthy_after : member.failed < rules.unhealthy_after)) return;
  if (!well) member.problem = problem;
  if (well) {
    metrics::log().info("upstream {}: {} is healthy again", settings_.name, member.endpoint.url);
  } else {
    metrics::log().warn("upstream {}: {} is unhealthy: {} in a row failed, the last one: {}", settings_.name,
                        member.endpoint.url, member.failed == 1 ? "1 check" : std::to_string(member.failed) + " checks", problem);
  }
  change(member, &Member::unhealthy, !well);
}

void UpstreamHealth::failing(const EndpointState* state, std::string_view reason) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [state](const std::unique_ptr<Member>& member) { return member->state.get() == state; });
  if (found == members_.end() || (*found)->ejected || !settings_.outlier.consecutive_failures) return;
  Member& member = **found;
  const std::uint64_t failures = *settings_.outlier.consecutive_failures;
  if (count_out() >= most_ejected()) {
    member.state->failures.store(0, std::memory_order_relaxed);  // the next row is told again
    if (member.unhealthy || std::exchange(member.spared, true)) return;  // it is out as it is, or this was said
    metrics::log().warn("upstream {}: {} fails ({} in a row, the last one {}), but stays in: {}", settings_.name, member.endpoint.url,
                        failures, reason, why_spared());
    return;
  }
  member.failure = reason;
  member.ejected_until.clear();
  metrics::append_utc_time(member.ejected_until, std::chrono::system_clock::now() + settings_.outlier.eject_for);
  metrics::log().warn("upstream {}: {} is ejected for {}: {} in a row, the last one {}", settings_.name, member.endpoint.url,
                      config::duration_text(settings_.outlier.eject_for), config::counted(failures, "failure"), reason);
  try {
    change(member, &Member::ejected, true);
  } catch (...) {
    member.state->failures.store(0, std::memory_order_relaxed);  // the next row is told again
    throw;
  }
  metrics_.ejections.add();
  member.ejection_ends.set_after(settings_.outlier.eject_for);
}

// On probation: the next failure ejects it again, an answer clears it.
void UpstreamHealth::ejection_ended(Member& member) {
  const std::uint64_t failures = settings_.outlier.consecutive_failures.value_or(1) - 1;
  member.state->failures.store(static_cast<std::uint32_t>(failures), std::memory_order_relaxed);
  member.ejection_ends.set_after(settings_.outlier.eject_for);  // again, should this come to nothing
  metrics::log().info("upstream {}: {} is tried again after its ejection", settings_.name, member.endpoint.url);
  change(member, &Member::ejected, false);
  member.ejection_ends.clear();
}

std::size_t UpstreamHealth::count_out() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const auto& member) { return member->is_out(); }));
}

std::string UpstreamHealth::why_spared() const {
  if (members_.size() == 1) return "it is the only endpoint";
  const std::size_t out = count_out();
  return std::to_string(out) + " of " + std::to_string(members_.size()) + (out == 1 ? " is" : " are") + " out, and outlier.max_ejected is " +
         std::to_string(settings_.outlier.max_ejected) + "%";
}

// At least one where there is another one left.
std::size_t UpstreamHealth::most_ejected() const noexcept {
  if (members_.size() < 2) return 0;
  return std::max<std::size_t>(members_.size() * settings_.outlier.max_ejected / 100, 1);
}

// Should memory run out on the way, all is as before: the next check, failure or end of an ejection comes here again.
void UpstreamHealth::change(Member& member, bool Member::*what, bool now) {
  const bool before = std::exchange(member.*what, now);
  const bool was_out = member.state->out;
  try {
    changed(member);
  } catch (...) {
    member.*what = before;
    member.state->out = was_out;
    throw;
  }
}

void UpstreamHealth::changed(Member& member) {
  for (const std::unique_ptr<Member>& each : members_) each->spared = false;
  const bool out = member.is_out();
  const bool tunnels_leave = out && settings_.on_unhealthy == config::OnUnhealthy::close;
  member.state->set_reason(member.reason());
  if (!out) member.state->joined_at.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  if (member.state->out.exchange(out) != out) told_({member.state, out, tunnels_leave});
  count();
  note_panic();
}

void UpstreamHealth::note_panic() {
  const bool all_out = !members_.empty() && count_out() == members_.size();
  if (all_out == panic_) return;
  panic_ = all_out;
  metrics_.panic.set(panic_);
  if (panic_) {
    const std::string all = members_.size() == 1 ? "its only endpoint is" : "all " + std::to_string(members_.size()) + " endpoints are";
    metrics::log().error("upstream {}: {} out; requests are spread over all of them until one is back", settings_.name, all);
  } else {
    metrics::log().info("upstream {}: {} of {} endpoints are in again", settings_.name, members_.size() - count_out(),
                        members_.size());
  }
}

void UpstreamHealth::count() {
  const auto unhealthy = std::count_if(members_.begin(), members_.end(), [](const auto& member) { return member->unhealthy; });
  const std::size_t out = count_out();
  metrics_.healthy.set(static_cast<std::int64_t>(members_.size() - out));
  metrics_.unhealthy.set(unhealthy);
  metrics_.ejected.set(static_cast<std::int64_t>(out) - unhealthy);
}

}  // namespace sluice::upstream
