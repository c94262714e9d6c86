#include "gateway/collect_sockets.h"

#include <algorithm>
#include <asio/post.hpp>
#include <deque>
#include <utility>

#include "config/counted.h"
#include "gateway/websocket/tunnel.h"
#include "metrics/log.h"

namespace sluice {
namespace {

using admin::SocketList;
using admin::SocketRequest;
using websocket::SocketFacts;

// A worker with 100,000 tunnels that is busy besides takes some seconds.
constexpr std::chrono::milliseconds kPatience{10000};
// Of a worker's turn: to look at one takes less than a microsecond, to close one some twenty.
constexpr std::size_t kLooksPerTurn = 500;
constexpr std::size_t kClosesPerTurn = 25;

// One worker's part. Made on the control thread, then the worker's until it has answered.
struct Part {
  std::uint64_t matched = 0;
  std::uint64_t told = 0;
  std::deque<SocketFacts> oldest;  // they are visited from the newest on: the last ones are the oldest
};

class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(IoContext& context, std::size_t workers, std::uint64_t limit, std::function<void(SocketList&)> done)
      : context_(context), patience_(context, kPatience), answered_(workers), missing_(workers), limit_(limit), done_(std::move(done)) {}

  void begin() {
    patience_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
      if (!cancelled) self->finish();
    });
  }
  // What a worker calls, on its thread.
  std::function<void()> answer_of(std::size_t worker, std::shared_ptr<Part> part) {
    return [self = shared_from_this(), worker, part = std::move(part)] {
      asio::post(self->context_, [self, worker, part] { self->add(worker, *part); });
    };
  }

 private:
  void add(std::size_t worker, Part& part) {
    answered_[worker] = true;
    list_.matched += part.matched;
    list_.told += part.told;
    list_.sockets.insert(list_.sockets.end(), part.oldest.begin(), part.oldest.end());
    if (--missing_ == 0) finish();
  }
  void finish() {
    patience_.cancel();
    if (!done_) return;
    // Not by age: workers looked at theirs at different moments.
    std::stable_sort(list_.sockets.begin(), list_.sockets.end(),
                     [](const SocketFacts& a, const SocketFacts& b) { return a.identity->opened() < b.identity->opened(); });
    if (list_.sockets.size() > limit_) list_.sockets.resize(limit_);
    for (std::size_t i = 0; i < answered_.size(); ++i) {
      if (!answered_[i]) list_.silent.push_back(i);
    }
    std::exchange(done_, {})(list_);
  }

  IoContext& context_;
  Timer patience_;
  std::vector<bool> answered_;
  std::size_t missing_;
  const std::uint64_t limit_;
  SocketList list_;
  std::function<void(SocketList&)> done_;
};

using Visit = std::function<void(Part& part, websocket::Tunnel& tunnel)>;

void ask_workers(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, std::uint64_t limit, std::size_t per_turn,
                 const Visit& visit, std::function<void(SocketList&)> done) {
  const auto collection = std::make_shared<Collection>(context, workers.size(), limit, std::move(done));
  collection->begin();
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const auto part = std::make_shared<Part>();
    workers[i]->walk_tunnels(per_turn, [visit, part](websocket::Tunnel& tunnel) { visit(*part, tunnel); }, collection->answer_of(i, part));
  }
}

admin::AdminReply json_reply() {
  admin::AdminReply reply;
  reply.content_type = "application/json";
  return reply;
}

}  // namespace

admin::AdminReply no_such_socket(const SocketList& list) {
  admin::AdminReply reply;
  reply.status = list.silent.empty() ? 404 : 503;
  reply.body = list.silent.empty() ? "No such WebSocket is open; it may have ended.\n" : "A worker does not answer, so it may be open or not.\n";
  return reply;
}

void visit_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, std::function<bool(websocket::Tunnel&)> visit,
                   std::function<void(const SocketList&)> done) {
  const Visit count = [visit = std::move(visit)](Part& part, websocket::Tunnel& tunnel) {
    if (visit(tunnel)) ++part.matched;
  };
  ask_workers(context, workers, 0, kLooksPerTurn, count, std::move(done));
}

void list_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, const SocketRequest& request, AdminDone done) {
  const Visit visit = [filter = request.filter, limit = request.limit](Part& part, websocket::Tunnel& tunnel) {
    SocketFacts facts = tunnel.facts(Clock::now());
    if (!filter.matches(facts)) return;
    ++part.matched;
    part.oldest.push_back(std::move(facts));
    if (part.oldest.size() > limit) part.oldest.pop_front();
  };
  const bool named = request.filter.id.has_value();
  ask_workers(context, workers, request.limit, kLooksPerTurn, visit, [named, done = std::move(done)](SocketList& list) {
    if (named && list.matched == 0) return done(no_such_socket(list));
    admin::AdminReply reply = json_reply();
    reply.stream = admin::listing_json(std::move(list));
    done(std::move(reply));
  });
}

void close_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, const SocketRequest& request, AdminDone done) {
  const auto dismissal = std::make_shared<const websocket::Dismissal>(websocket::Dismissal{request.code, request.reason});
  const Visit visit = [filter = request.filter, dismissal, over = request.over](Part& part, websocket::Tunnel& tunnel) {
    if (!filter.matches(tunnel.facts(Clock::now()))) return;
    ++part.matched;
    if (tunnel.dismiss(dismissal, over)) ++part.told;
  };
  const bool named = request.filter.id.has_value();
  ask_workers(context, workers, 0, kClosesPerTurn, visit, [named, dismissal, done = std::move(done)](const SocketList& list) {
    if (list.told > 0) {
      metrics::log().info("{} told to close with {} at the admin listener's word", config::counted(list.told, "WebSocket"), dismissal->code);
    }
    if (named && list.matched == 0) return done(no_such_socket(list));
    admin::AdminReply reply = json_reply();
    reply.body = admin::closing_json(list);
    done(std::move(reply));
  });
}

}  // namespace sluice
