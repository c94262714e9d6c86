#include "gateway/descriptor_limit.h"

#include <sys/resource.h>

#include "metrics/log.h"

namespace sluice {
namespace {

// Descriptors that are not connections: listeners, logs, epoll, timers, libraries.
constexpr std::uint64_t kReservedDescriptors = 64;

}  // namespace

// A client connection usually has one to a backend beside it.
std::int64_t raise_descriptor_limit(std::uint64_t max_connections, unsigned workers) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t reserved = kReservedDescriptors + 8ull * workers;
  const std::uint64_t allowed = limit.rlim_cur > reserved ? (limit.rlim_cur - reserved) / 2 : 1;
  if (allowed >= max_connections) return static_cast<std::int64_t>(max_connections);
  metrics::log().warn("limits.max_connections is {}, but {} open files allow {} connections (two files each); raise the limit of "
                      "open files (LimitNOFILE, ulimit -n) or lower max_connections",
                      max_connections, limit.rlim_cur, allowed);
  return static_cast<std::int64_t>(allowed);
}

}  // namespace sluice
