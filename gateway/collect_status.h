// What /status tells of listeners and upstreams, as the control thread knows them, and what the workers add to it. The control thread's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/admin/status.h"
#include "gateway/control_io.h"
#include "gateway/live_config.h"

namespace sluice {

// Of the configuration in force.
admin::Status known_status(LiveConfig& live, upstream::EndpointRegistry& endpoints);

// Completes it with what the workers know. One that is stuck is told of as such, not waited for: `done` is called within a second.
void collect_status(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, admin::Status known,
                    std::function<void(const admin::Status&)> done);

}  // namespace sluice
