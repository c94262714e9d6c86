// How another process takes this one's place (SIGUSR2), and how this one serves again when that one ends at once: in which phase of it
// the gateway is, and who has the listening sockets. Draining itself is the Server's. The control thread's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/admin/admin_server.h"
#include "gateway/live_config.h"
#include "gateway/replacement.h"
#include "gateway/roll_call.h"
#include "metrics/lifecycle_metrics.h"

namespace sluice {

class Succession {
 public:
  enum class Phase {
    serving,     // alone
    starting,    // serving, and a successor is being started
    giving_way,  // draining, since a successor serves; the sockets are held in case it ends
    given_way,   // draining, and nobody can come back
    ending,      // draining without a successor
  };
  // serving -> starting -> giving_way -> given_way; back to serving from starting (it has failed) and from giving_way (it has
  // ended); to ending from serving and starting.

  // What it refers to.
  struct Gateway {
    const LiveConfig::Workers& workers;
    upstream::HealthMonitor& health;
    LiveConfig& live;
    const std::unique_ptr<admin::AdminServer>& admin;  // null: there is none, or not yet
    metrics::LifecycleMetrics& lifecycle;
  };
  // Called when the gateway is to drain in favour of a successor. `held`: the listeners that the successor has as well.
  using GiveWay = std::function<void(std::vector<unsigned> held)>;

  Succession(IoContext& context, Program program, Gateway gateway, GiveWay give_way);

  Phase phase() const noexcept { return phase_; }
  bool draining() const noexcept { return phase_ >= Phase::giving_way; }

  // Starts a successor, or says in the log why it does not.
  void begin();
  // While starting, a reload is for whoever serves in the end.
  void reload_afterwards() noexcept { reload_wanted_ = true; }
  // The gateway is told to end: there will be no successor. While serving or starting.
  void end();

  // While draining, from time to time. True: the successor has ended so soon that this process is to serve again. `told_to_end`: it
  // has been asked to go, and does not come back.
  bool watch(bool told_to_end);
  // Whether it is too soon to exit, also when no connection is left.
  bool stays() const { return phase_ == Phase::giving_way && Clock::now() < stays_until_; }
  // While giving way.
  void serve_again();

 private:
  void start_successor();
  void loops_expect_it(unsigned number, const RollCall::Outcome& outcome);
  Handover handover();
  void successor_tells(const Replacement::Outcome& outcome);
  void give_way(const Replacement::Outcome& outcome);
  void drop_held();

  IoContext& context_;
  const Gateway gateway_;
  const GiveWay give_way_;
  Replacement replacement_;
  Phase phase_ = Phase::serving;
  unsigned attempts_ = 0;
  bool reload_wanted_ = false;
  // While giving way.
  std::vector<unsigned> dropped_;  // the listeners that the successor does not have
  Clock::time_point stays_until_;
  Clock::time_point held_until_;
};

}  // namespace sluice
