#include "gateway/tap_socket.h"

#include <asio/post.hpp>
#include <utility>

#include "config/value_text.h"
#include "gateway/admin/tap_lines.h"
#include "gateway/websocket/tunnel.h"
#include "metrics/log.h"

namespace sluice {
namespace {

using websocket::TapQueue;
using websocket::SocketIdentity;
using websocket::TapOutcome;

// Wakes whoever waits for more, from whatever thread.
class Waking : public std::enable_shared_from_this<Waking> {
 public:
  explicit Waking(IoContext& context) : context_(context) {}
  void wait(std::function<void()> ready) { ready_ = std::move(ready); }
  void wake() {
    asio::post(context_, [self = shared_from_this()] {
      if (self->ready_) std::exchange(self->ready_, {})();
    });
  }

 private:
  IoContext& context_;
  std::function<void()> ready_;  // the control thread's
};

class TapStream final : public admin::AnswerStream {
 public:
  TapStream(IoContext& context, std::shared_ptr<void> place, std::chrono::milliseconds time)
      : place_(std::move(place)),
        waking_(std::make_shared<Waking>(context)),
        queue_(std::make_shared<TapQueue>([waking = waking_] { waking->wake(); })),
        time_(time),
        timer_(context) {}
  ~TapStream() override { queue_->leave(); }

  const std::shared_ptr<TapQueue>& queue() const noexcept { return queue_; }
  void begin(const SocketIdentity& identity, config::Tap shows) {
    text_ = admin::tap_begin_line(identity, shows);
    timer_.expires_after(time_);
    timer_.async_wait([over = over_, waking = waking_](const ErrorCode& cancelled) {
      if (cancelled) return;
      *over = true;
      waking->wake();
    });
  }

  std::chrono::milliseconds longest() const override { return time_; }
  bool take(std::string& text, std::function<void()> ready) override {
    text += std::exchange(text_, {});
    const TapQueue::Taken taken = queue_->take();
    for (const websocket::TappedFrame& frame : taken.frames) text += admin::tap_frame_line(frame);
    if (taken.missed > 0) text += admin::tap_missed_line(taken.missed);
    if (taken.ended || *over_) {
      text += admin::tap_end_line(taken.ended ? "the WebSocket has ended" : "the time is over");
      return false;
    }
    if (text.empty()) waking_->wait(std::move(ready));
    return true;
  }

 private:
  const std::shared_ptr<void> place_;
  const std::shared_ptr<Waking> waking_;
  const std::shared_ptr<TapQueue> queue_;
  const std::chrono::milliseconds time_;
  Timer timer_;
  const std::shared_ptr<bool> over_ = std::make_shared<bool>(false);
  std::string text_;
};

// What the worker that has the tunnel found. Its until all workers have answered, then the control thread's.
struct Found {
  TapOutcome outcome = TapOutcome::ended;
  config::Tap shows = config::Tap::off;
  std::shared_ptr<const SocketIdentity> identity;  // null: nothing
};

admin::AdminReply refusal(unsigned status, const char* why) {
  admin::AdminReply reply;
  reply.status = status;
  reply.body = why;
  return reply;
}

admin::AdminReply answer_to(const Found& found, const std::shared_ptr<TapStream>& stream, std::chrono::milliseconds time) {
  switch (found.outcome) {
    case TapOutcome::off: return refusal(403, "The route's websocket.tap is off.\n");
    case TapOutcome::taken: return refusal(409, "Somebody looks at this WebSocket already.\n");
    case TapOutcome::ended: return refusal(404, "No such WebSocket is open; it may have ended.\n");
    case TapOutcome::begun: break;
  }
  const SocketIdentity& identity = *found.identity;
  metrics::log().warn("somebody at the admin listener looks at WebSocket {} of client {} (route {}): {}, for {}", identity.id().text(),
                      identity[SocketIdentity::Text::client_ip], identity[SocketIdentity::Text::route],
                      found.shows == config::Tap::payload ? "headers and payload" : "headers", config::duration_text(time));
  stream->begin(identity, found.shows);
  admin::AdminReply reply;
  reply.content_type = "application/x-ndjson";
  reply.stream = stream;
  return reply;
}

}  // namespace

std::shared_ptr<void> TapPlaces::take() {
  if (*taken_ == kMost) return nullptr;
  ++*taken_;
  return std::shared_ptr<void>(taken_.get(), [taken = taken_](void*) { --*taken; });
}

void tap_socket(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, TapPlaces& places, const admin::SocketRequest& request,
                AdminDone done) {
  std::shared_ptr<void> place = places.take();
  if (!place) return done(refusal(503, "As many WebSockets as may be are looked at already (4); try again when one is over.\n"));
  const auto stream = std::make_shared<TapStream>(context, std::move(place), request.time);
  const auto found = std::make_shared<Found>();
  const auto look = [id = request.filter.id, found, queue = stream->queue()](websocket::Tunnel& tunnel) {
    const websocket::SocketFacts facts = tunnel.facts(Clock::now());
    if (facts.identity->id() != id) return false;
    found->identity = facts.identity;
    found->shows = tunnel.may_show();
    found->outcome = tunnel.begin_tap(queue);
    return true;
  };
  visit_sockets(context, workers, look, [found, stream, time = request.time, done = std::move(done)](const admin::SocketList& list) {
    done(list.matched == 0 ? no_such_socket(list) : answer_to(*found, stream, time));
  });
}

}  // namespace sluice
