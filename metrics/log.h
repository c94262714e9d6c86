// The process's log (to stderr) and the access log, both by spdlog over a queue of ours, bounded in lines and bytes, that drops
// the oldest lines when it is full: a slow disk or terminal never blocks a worker, nor fills the memory. Any thread may log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

#include "config/service_config.h"

namespace sluice::metrics {

// Sets up both; call once, before any thread starts. Throws std::runtime_error when the access log cannot be opened.
// fork-free; call shutdown_logs() last in main, which writes out what is queued (at most a second).
void start_logs(const config::Log& log, const config::AccessLog& access_log);
void shutdown_logs();
// Why the access log could not be opened; empty: it can be. Opens and makes nothing.
std::string access_log_problem(const config::AccessLog& access_log);
// Reopens the access log's file (SIGUSR1).
void reopen_logs();

// The process log; before start_logs() a plain synchronous one to stderr.
spdlog::logger& log();
// The access log writes whole lines as given; null when it is off.
spdlog::logger* access_log();
config::AccessLogFormat access_log_format();

std::uint64_t dropped_log_lines();

// Appends `text` as the inside of a JSON string (no quotes); invalid UTF-8 becomes U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);
// A request target for logs: the values of token, access_token, key and password in the query become ***.
std::string mask_query(std::string_view target);

}  // namespace sluice::metrics
