#include "gateway/proxy/cells.h"

#include <vector>

#include "upstream/failure.h"

namespace sluice::proxy {
namespace {

std::vector<std::string_view> failure_names() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(upstream::FailureCode::count_); ++i) {
    names.push_back(upstream::name_of(static_cast<upstream::FailureCode>(i)));
  }
  return names;
}

}  // namespace

Cells::Route& Cells::route(const std::string& name) {
  std::unique_ptr<Route>& cells = routes_[name];
  if (!cells) cells = std::make_unique<Route>(Route{{registry_, worker_, name}, {registry_, worker_, name}});
  return *cells;
}

metrics::UpstreamMetrics& Cells::upstream(const std::string& name) {
  std::unique_ptr<metrics::UpstreamMetrics>& cells = upstreams_[name];
  if (!cells) {
    cells = std::make_unique<metrics::UpstreamMetrics>(registry_, worker_, name);
    cells->register_failures(registry_, worker_, name, failure_names());
  }
  return *cells;
}

metrics::MirrorMetrics& Cells::mirror(const std::string& route) {
  std::unique_ptr<metrics::MirrorMetrics>& cells = mirrors_[route];
  if (!cells) cells = std::make_unique<metrics::MirrorMetrics>(registry_, worker_, route);
  return *cells;
}

}  // namespace sluice::proxy
