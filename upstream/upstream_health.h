// Which endpoints of one upstream are out, and why: they fail their health checks, or are ejected because requests to
// them fail. Decides for all workers. The health thread's alone; it sees the workers only through EndpointState and
// `told`.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "metrics/health_metrics.h"
#include "tls/deadline.h"
#include "upstream/health_check.h"
#include "upstream/outlier.h"

namespace sluice::upstream {

// What of an upstream is watched.
struct WatchedUpstream {
  config::Upstream settings;
  std::vector<std::shared_ptr<EndpointState>> states;     // parallel to its endpoints
  std::shared_ptr<const tls::ClientContext> tls_context = nullptr;  // for checks; null where no endpoint is https
  bool tls_unchanged = false;                             // since the configuration before
};

class UpstreamHealth {
 public:
  // Told of every change.
  using Told = std::function<void(const HealthChange&)>;

  // `before`: what was known of the upstream under the settings of before; null: it is new. It is emptied.
  UpstreamHealth(tls::WorkerIo& io, const WatchedUpstream& watched, const metrics::HealthMetrics& metrics, Told told,
                 UpstreamHealth* before);
  UpstreamHealth(const UpstreamHealth&) = delete;
  UpstreamHealth& operator=(const UpstreamHealth&) = delete;
  // Endpoints that nobody took over are in again.
  ~UpstreamHealth();
  // The upstream is gone: its gauges fall to 0.
  void retire();

  const config::Upstream& settings() const noexcept { return settings_; }
  // Begins to check the endpoints, if that is configured. Their addresses must be known, or come.
  void start_checks(HttpProbe http_probe);
  void set_addresses(const std::string& host, std::uint16_t port, const std::shared_ptr<const Addresses>& addresses);
  // Workers say that requests to it failed as often in a row as `outlier` allows. Unknown endpoints are none of ours.
  void failing(const EndpointState* state, std::string_view reason);

 private:
  struct Member {
    Member(tls::TimerWheel& wheel, config::Endpoint endpoint, std::shared_ptr<EndpointState> endpoint_state);
    config::Endpoint endpoint;
    const std::shared_ptr<EndpointState> state;
    UpstreamHealth* owner = nullptr;
    bool checked = false;     // there was a check: the first one decides at once
    bool unhealthy = false;
    unsigned passed = 0, failed = 0;  // checks in a row
    std::unique_ptr<HealthCheck> check;
    bool ejected = false;
    std::string problem;      // why it is unhealthy
    std::string failure;      // why it is ejected
    std::string ejected_until;
    bool spared = false;      // that it could not be ejected was said
    tls::Deadline ejection_ends;
    bool is_out() const noexcept { return ejected || unhealthy; }
    std::string reason() const;
  };

  UpstreamHealth(tls::WorkerIo& io, const WatchedUpstream& watched, const metrics::HealthMetrics& metrics, Told told);
  void adopt(const WatchedUpstream& watched, UpstreamHealth* before);
  void let_tunnels_go();
  void drop_what_is_not_asked_for();
  void check_ended(Member& member, const std::string& problem);
  void ejection_ended(Member& member);
  std::size_t count_out() const noexcept;
  std::size_t most_ejected() const noexcept;
  std::string why_spared() const;  // one that fails too often to stay in
  void change(Member& member, bool Member::*what, bool now);
  void changed(Member& member);
  void count();
  void note_panic();

  tls::WorkerIo& io_;
  const config::Upstream settings_;
  std::shared_ptr<const tls::ClientContext> tls_context_;
  metrics::HealthMetrics metrics_;
  Told told_;
  std::vector<std::unique_ptr<Member>> members_;  // one per address, also where an endpoint is listed twice
  bool panic_ = false;
};

}  // namespace sluice::upstream
