// The process's limit of open files, against limits.max_connections.
#pragma once

#include <cstdint>

namespace sluice {

// Raises the limit as far as it goes. How many connections may be open then: `max_connections`, or fewer, with a
// warning in the log.
std::int64_t raise_descriptor_limit(std::uint64_t max_connections, unsigned workers);

}  // namespace sluice
