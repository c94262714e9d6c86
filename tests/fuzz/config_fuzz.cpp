// A configuration is loaded or refused with its reasons, never anything else; every reason names a place in
// the file and is one line; what was loaded is within its bounds and refers only to what is there.
#include <algorithm>
#include <string>
#include <vector>

#include "config/load.h"
#include "gateway/routing/route_table.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

template <class T>
bool is_named(const std::vector<T>& items, const std::string& name) {
  return std::any_of(items.begin(), items.end(), [&name](const T& item) { return item.name == name; });
}

template <class T>
bool names_are_unique(const std::vector<T>& items) {
  std::vector<std::string> names;
  for (const T& item : items) names.push_back(item.name);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end() &&
         std::none_of(names.begin(), names.end(), [](const std::string& name) { return name.empty(); });
}

void check_route(const config::Route& route, const config::Config& config) {
  FUZZ_CHECK(route.upstream.has_value() + route.split.has_value() + route.redirect.has_value() + route.respond.has_value() == 1);
  std::uint64_t weights = 0;
  for (const config::SplitSide& side : route.split.value_or(config::Split{}).to) {
    FUZZ_CHECK(is_named(config.upstreams, side.upstream));
    weights += side.weight;
  }
  FUZZ_CHECK(!route.split || weights > 0);
  if (route.upstream) FUZZ_CHECK(is_named(config.upstreams, *route.upstream));
  FUZZ_CHECK(route.match.path.has_value() + route.match.path_prefix.has_value() +
                 route.match.path_regex.has_value() <=
             1);
  for (const std::string& listener : route.match.listeners) FUZZ_CHECK(is_named(config.listeners, listener));
  for (const auto& [status, page] : route.error_pages) FUZZ_CHECK(status >= 400 && status <= 599);
}

void check_loaded(const config::Config& config) {
  FUZZ_CHECK(!config.listeners.empty());
  FUZZ_CHECK(names_are_unique(config.listeners) && names_are_unique(config.upstreams) &&
             names_are_unique(config.routes));
  for (const config::Listener& listener : config.listeners) {
    FUZZ_CHECK(listener.address.is_unix() != (!listener.address.host.empty()));
    FUZZ_CHECK(listener.mode <= 0777);
    if (listener.tls) FUZZ_CHECK(listener.tls->self_signed || !listener.tls->certificates.empty());
  }
  for (const config::Upstream& upstream : config.upstreams) {
    FUZZ_CHECK((!upstream.endpoints.empty() || !upstream.discoveries.empty()) && upstream.retries.attempts >= 1);
    for (const config::Discovery& asked : upstream.discoveries) {
      FUZZ_CHECK(!asked.name.empty() && (asked.port != 0) == (asked.kind == config::Discovery::Kind::dns));
      FUZZ_CHECK(asked.weight >= 1 && asked.refresh >= std::chrono::milliseconds(100));
    }
    for (const config::Endpoint& endpoint : upstream.endpoints)
      FUZZ_CHECK(!endpoint.host.empty() && endpoint.weight >= 1);
  }
  for (const config::Route& route : config.routes) check_route(route, config);
  if (config.admin) FUZZ_CHECK(!config.admin->address.is_unix() && !config.admin->address.host.empty());
  // Whatever was loaded can be matched against.
  const routing::RouteTable table(config.routes);
  const std::size_t found =
      table.match({.listener = "http", .host = "app.example", .path = "/a", .method = "GET"});
  FUZZ_CHECK(found == routing::RouteTable::kNone || found < config.routes.size());
}

bool is_one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

void check_refused(const config::ConfigError& error, std::size_t lines) {
  FUZZ_CHECK(!error.problems().empty());
  for (const config::Problem& problem : error.problems()) {
    FUZZ_CHECK(problem.file == "fuzz/sluice.yaml" && !problem.what.empty());
    FUZZ_CHECK(problem.line >= 0 && static_cast<std::size_t>(problem.line) <= lines + 1);
    FUZZ_CHECK(is_one_line(problem.text()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  std::vector<std::string> warnings;
  try {
    check_loaded(config::load_text(text, "fuzz/sluice.yaml", warnings));
  } catch (const config::ConfigError& error) {
    // YAML ends lines at CR as well.
    check_refused(error, static_cast<std::size_t>(std::count_if(
                             text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; })));
  }
  for (const std::string& warning : warnings) FUZZ_CHECK(is_one_line(warning));
  return 0;
}
