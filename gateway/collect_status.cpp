#include "gateway/collect_status.h"

#include <asio/post.hpp>
#include <utility>

#include "upstream/full_endpoints.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};

struct Collection {
  explicit Collection(IoContext& context) : patience(context, kPatience) {}

  void add(std::size_t worker, const std::map<admin::Status::TunnelKind, std::int64_t>& tunnels) {
    status.workers[worker].answered = true;
    for (const auto& [kind, open] : tunnels) status.tunnels[kind] += open;
    if (--missing == 0) finish();
  }
  void finish() {
    patience.cancel();
    if (done) std::exchange(done, {})(status);
  }

  admin::Status status;
  std::function<void(const admin::Status&)> done;
  std::size_t missing = 0;
  Timer patience;
};

}  // namespace

admin::Status known_status(LiveConfig& live, upstream::EndpointRegistry& endpoints) {
  admin::Status status;
  status.config_file = live.source();
  status.generation = live.generation();
  status.config_loaded = live.loaded_at();
  for (const OpenListener& one : live.listeners().all()) {
    status.listeners.push_back({one.config.name, one.address.text(), one.config.tls.has_value(), one.config.protocols});
  }
  for (const config::Upstream& upstream : live.upstreams()) {
    admin::Status::Upstream& told = status.upstreams.emplace_back();
    told.name = upstream.name;
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      const std::shared_ptr<upstream::EndpointState> state = endpoints.state_of(upstream.name, endpoint);
      told.endpoints.push_back({endpoint.url, state->in_flight.load(), state->idle.load(), state->connections.load(),
                                upstream::reached_bounds(*state, upstream), state->out.load(), state->reason()});
    }
  }
  return status;
}

void collect_status(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, admin::Status known,
                    std::function<void(const admin::Status&)> done) {
  const auto collection = std::make_shared<Collection>(context);
  collection->status = std::move(known);
  collection->done = std::move(done);
  collection->missing = workers.size();
  collection->patience.async_wait([collection](const ErrorCode& cancelled) {
    if (!cancelled) collection->finish();
  });
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const Worker& worker = *workers[i];
    collection->status.workers.push_back(
        {worker.connections(), worker.tunnels(), worker.http2_connections(), worker.http2_streams(), false});
    workers[i]->count_tunnels([&context, collection, i](std::map<admin::Status::TunnelKind, std::int64_t> tunnels) {
      asio::post(context, [collection, i, tunnels = std::move(tunnels)] { collection->add(i, tunnels); });
    });
  }
}

}  // namespace sluice
