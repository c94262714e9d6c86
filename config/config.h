// The whole configuration as plain data: what load() returns, validated and with every default applied.
// Nothing here opens a socket, touches OpenSSL or knows YAML. Immutable after loading, so any thread may read it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/key_lines.h"
#include "config/limits_config.h"
#include "config/listener_config.h"
#include "config/route_config.h"
#include "config/service_config.h"
#include "config/upstream_config.h"

namespace sluice::config {

struct Config {
  unsigned workers = 0;  // 0: one per core
  std::vector<Listener> listeners;
  Limits limits;
  Timeouts timeouts;
  std::vector<Upstream> upstreams;
  Resolver resolver;
  std::vector<Route> routes;
  std::optional<Admin> admin;
  AccessLog access_log;
  Log log;
  bool watch = false;  // reload when it changes, or one of files_of()
  std::shared_ptr<const KeyLines> lines;  // for messages; null: not from a file
};

}  // namespace sluice::config
