// `admin`, `access_log` and `log`: how the gateway is watched.
#pragma once

#include <string>

#include "config/listener_config.h"
#include "config/values.h"

namespace sluice::config {

struct Admin {
  Address address;
  std::string token;  // empty: none; required unless loopback
};

enum class AccessLogFormat { json, combined, off };

struct AccessLog {
  std::string file = "/dev/stdout";
  AccessLogFormat format = AccessLogFormat::json;
};

enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat { text, json };

struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

}  // namespace sluice::config
