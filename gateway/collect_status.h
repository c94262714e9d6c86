// Completes what the control thread knows for /status with what the workers know. The control thread's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/admin/status.h"
#include "gateway/control_io.h"
#include "gateway/worker.h"

namespace sluice {

// A worker that is stuck is told of as such, not waited for: `done` is called within a second.
void collect_status(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, admin::Status known,
                    std::function<void(const admin::Status&)> done);

}  // namespace sluice
