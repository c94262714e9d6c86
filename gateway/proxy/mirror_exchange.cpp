#include "gateway/proxy/mirror_exchange.h"

#include "gateway/http/interim.h"
#include "gateway/proxy/backend_connection.h"
#include "tls/held_share.h"
#include "tls/stream_error.h"

namespace sluice::proxy {

using tls::StreamError;
using upstream::Failure;
using upstream::FailureCode;

namespace {

// Of an answer's body. Where more would come, the connection is closed, since a new one is cheaper, or its stream is reset.
constexpr std::size_t kMostRead = 1024 * 1024;

// Nothing is tried again, and nobody is told.
Failure failed(FailureCode code) { return {code, upstream::Retryable::no, {}}; }

Failure failure_of(ErrorCode error, FailureCode otherwise) {
  if (error == StreamError::timed_out || error == StreamError::write_idle) {
    return failed(otherwise == FailureCode::body_truncated ? FailureCode::body_timeout : FailureCode::response_timeout);
  }
  if (error == StreamError::held_limit) return failed(FailureCode::overloaded);
  if (error == StreamError::draining) return failed(FailureCode::client_left);  // cut by ourselves
  return failed(otherwise);
}

// One that is refused does not make others spare the connection: no request is to go another way because it was copied.
Failure failure_of(const HeadRead& head, bool silent) {
  if (head.state == HeadRead::refused) return failed(FailureCode::stream_refused);
  if (head.state == HeadRead::bad) return failed(FailureCode::bad_response);
  return failure_of(head.error, silent ? FailureCode::reset : FailureCode::bad_response);
}

std::size_t size_of(const http::Headers& fields) {
  std::size_t size = 0;
  for (const http::Field& field : fields) size += sizeof field + field.name.size() + field.value.size();
  return size;
}

}  // namespace

std::size_t MirroredRequest::size() const noexcept { return target.size() + size_of(head.headers) + body.size() + size_of(trailers); }

void MirroredRequest::drop_what_was_sent() noexcept {
  std::string().swap(target);
  head.headers = {};
  std::string().swap(body);
  trailers = {};
}

class MirrorExchange {
 public:
  MirrorExchange(Services& services, std::shared_ptr<Generation> generation, const RouteServices::Mirror& mirror,
                 MirroredRequest request);
  MirrorExchange(const MirrorExchange&) = delete;
  MirrorExchange& operator=(const MirrorExchange&) = delete;
  ~MirrorExchange();

  bool hold_request() noexcept { return share_.take(request_.size()); }
  Awaitable<> run();
  void cut(ErrorCode reason);

 private:
  friend class MirrorSet;
  Awaitable<Failure> exchange();
  Failure send();
  Awaitable<Failure> read_head();
  Awaitable<Failure> read_body();

  Services& services_;
  const std::shared_ptr<Generation> generation_;  // owns the cluster
  upstream::Cluster& cluster_;
  metrics::MirrorMetrics& metrics_;
  MirroredRequest request_;
  tls::HeldShare share_;  // of request_
  metrics::GaugeHold counted_;
  BackendConnection backend_;
  tls::Cancellation cancellation_;
  tls::Deadline deadline_;  // of a connection that is there; connecting has its own
  SpareResponseHeads::Borrowed response_;
  MirrorExchange* previous_ = nullptr;
  MirrorExchange* next_ = nullptr;
};

MirrorExchange::MirrorExchange(Services& services, std::shared_ptr<Generation> generation, const RouteServices::Mirror& mirror,
                               MirroredRequest request)
    : services_(services),
      generation_(std::move(generation)),
      cluster_(*mirror.cluster),
      metrics_(mirror.metrics),
      request_(std::move(request)),
      share_(services.io),
      counted_(mirror.metrics.in_flight),
      backend_(cluster_, generation_->config().limits),
      deadline_(
          services.io.wheel, [](void* self) { static_cast<MirrorExchange*>(self)->backend_.abort(StreamError::timed_out); }, this),
      response_(services.response_heads.borrow()),
      next_(services.mirrors.first_) {
  request_.head.method = request_.method;  // which the wire asks for until the answer is there
  if (next_ != nullptr) next_->previous_ = this;
  services.mirrors.first_ = this;
}

MirrorExchange::~MirrorExchange() {
  (previous_ != nullptr ? previous_->next_ : services_.mirrors.first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void MirrorExchange::cut(ErrorCode reason) {
  backend_.abort(reason);
  cancellation_.cancel(reason);  // last: it may end the exchange
}

Awaitable<> MirrorExchange::run() {
  co_await services_.io.loop.next_turn();
  const Failure failure = co_await exchange();
  (failure.code == FailureCode::none ? metrics_.answered : metrics_.failed).add();
  if (failure.code != FailureCode::none && failure.code != FailureCode::client_left) {
    cluster_.metrics().count_failure(static_cast<std::size_t>(failure.code));
  }
}

Awaitable<Failure> MirrorExchange::exchange() {
  upstream::Result<upstream::Picked> picked = cluster_.pick({.excluded = {}, .hash = request_.hash}, {.opening = request_.opening});
  if (!picked) co_return std::move(picked.failure());
  const std::size_t endpoint = picked->index;
  backend_.take(std::move(*picked));
  Failure failure = co_await backend_.open(request_.connect_timeout, cancellation_);
  if (failure.code == FailureCode::none) failure = send();
  if (failure.code == FailureCode::none) failure = co_await read_head();
  if (failure.code == FailureCode::none) {
    cluster_.endpoint_answered(endpoint, response_->status);
    failure = co_await read_body();
  } else if (failure.code != FailureCode::client_left) {
    cluster_.attempt_failed(endpoint, failure, backend_.reused());
  }
  co_return failure;
}

Failure MirrorExchange::send() {
  backend_.speak(request_.time, request_.accepts_trailers);
  deadline_.set_after(request_.time);
  const http::Headers* const trailers = request_.trailers.empty() ? nullptr : &request_.trailers;
  const ErrorCode error = backend_.wire().send_head(request_.head, request_.target, request_.body, true, trailers);
  cluster_.metrics().bytes_sent.add(request_.body.size());
  request_.drop_what_was_sent();  // the connection keeps, and counts, what has not left
  share_.give_back();
  // A backend that has closed its side may have answered before: reading tells.
  if (error && error != std::errc::broken_pipe && error != std::errc::connection_reset) return failure_of(error, FailureCode::reset);
  return {};
}

Awaitable<Failure> MirrorExchange::read_head() {
  unsigned interim = 0;
  for (;;) {
    const HeadRead head = backend_.read_head(*response_);
    if (head.state == HeadRead::incomplete) {
      co_await backend_.wire().wait_readable();
      continue;
    }
    if (head.state != HeadRead::complete) co_return failure_of(head, backend_.wire().silent());
    if (response_->status == 101) co_return failed(FailureCode::bad_upgrade);
    if (response_->status >= 200) co_return Failure{};
    if (++interim > http::kMaxInterim) co_return failed(FailureCode::bad_response);
    response_->clear();
  }
}

Awaitable<Failure> MirrorExchange::read_body() {
  BackendWire& wire = backend_.wire();
  std::size_t all = 0, turn = 0;
  while (!wire.body_complete()) {
    if (all > kMostRead) co_return Failure{};
    if (turn > tls::kBytesPerTurn) {
      turn = 0;
      co_await services_.io.loop.next_turn();
    }
    const BodyRead piece = wire.read_body(services_.io.scratch(), tls::kRelayBlock);
    if (piece.error == StreamError::would_block) {
      co_await wire.wait_readable();
      continue;
    }
    if (piece.error) co_return failure_of(piece.error, FailureCode::body_truncated);
    if (!piece.fault.empty()) co_return failed(FailureCode::bad_body);
    cluster_.metrics().bytes_received.add(piece.payload);
    turn += piece.wire;
    all += piece.wire;
  }
  deadline_.clear();
  if (wire.flushed()) backend_.release(*response_);
  co_return Failure{};
}

namespace {

Awaitable<> run_alone(std::unique_ptr<MirrorExchange> exchange, metrics::MirrorMetrics& metrics) {
  try {
    co_await exchange->run();
  } catch (const std::exception&) {  // memory ran out: nobody else is concerned
    metrics.failed.add();
  }
}

}  // namespace

bool start_mirror(Services& services, std::shared_ptr<Generation> generation, const RouteServices::Mirror& mirror,
                  MirroredRequest request) {
  auto exchange = std::make_unique<MirrorExchange>(services, std::move(generation), mirror, std::move(request));
  if (!exchange->hold_request()) return false;
  services.io.loop.spawn(run_alone(std::move(exchange), mirror.metrics));
  return true;
}

// What is cut may end at once, and take itself out of the list; no other one does.
void MirrorSet::cut_all() {
  for (MirrorExchange* exchange = first_; exchange != nullptr;) {
    MirrorExchange* const next = exchange->next_;
    exchange->cut(StreamError::draining);
    exchange = next;
  }
}

}  // namespace sluice::proxy
