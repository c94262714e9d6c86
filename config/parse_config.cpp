// The top level of the file.
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kMostWorkers = 1024;

Key<Config> workers_key() {
  KeyInfo info = integer_info("workers", {1, kMostWorkers}, false);
  info.words = {"auto"};
  info.expected = "auto or " + info.expected;
  return {std::move(info), [](const Value& value, const KeyInfo& row, Config& config) {
            const auto text = value.text(row.expected);
            if (!text || *text == row.words.front()) return;
            OptionalCount count;
            if (read_integer(value, row, count)) config.workers = static_cast<unsigned>(*count);
          }};
}

}  // namespace

const Table<Config>& config_table() {
  static const Table<Config> table{
      workers_key(),
      required(map_list("listeners", &Config::listeners, listener_table(), "at least one listener", 1)),
      map("limits", &Config::limits, limits_table()),
      map("timeouts", &Config::timeouts, timeouts_table()),
      map_list("upstreams", &Config::upstreams, upstream_table(), "upstreams", 0),
      map("resolver", &Config::resolver, resolver_table()),
      exactly_one(map_list("routes", &Config::routes, route_table(), "routes", 0),
                  {"upstream", "split", "redirect", "respond"}),
      map("admin", &Config::admin, admin_table()),
      map("access_log", &Config::access_log, access_log_table()),
      map("log", &Config::log, log_table()),
      later<Config>("redis", later_infos({"address"})),
      later<Config>("tracing", later_infos({"propagate", "otlp", "sample"})),
      boolean("watch", &Config::watch),
  };
  return table;
}

}  // namespace sluice::config
