#include "gateway/collect_status.h"

#include <asio/post.hpp>
#include <utility>

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
    collection->status.workers.push_back({workers[i]->connections(), workers[i]->tunnels(), false});
    workers[i]->count_tunnels([&context, collection, i](std::map<admin::Status::TunnelKind, std::int64_t> tunnels) {
      asio::post(context, [collection, i, tunnels = std::move(tunnels)] { collection->add(i, tunnels); });
    });
  }
}

}  // namespace sluice
