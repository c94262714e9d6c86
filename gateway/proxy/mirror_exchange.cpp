#include "gateway/proxy/mirror_exchange.h"

#include "gateway/http1/body_decoder.h"
#include "gateway/http1/response_parser.h"
#include "tls/cancellation.h"
#include "tls/held_share.h"
#include "tls/stream_error.h"

namespace sluice::proxy {

using tls::StreamError;
using upstream::Failure;
using upstream::FailureCode;

namespace {

// Informational responses before the answer; a backend that sends more is broken.
constexpr unsigned kMaxInterim = 32;
// Of an answer's body. A connection on which more would come is closed: a new one is cheaper.
constexpr std::size_t kMostRead = 1024 * 1024;

Failure failure_of(ErrorCode error, FailureCode otherwise) {
  if (error == StreamError::timed_out || error == StreamError::write_idle) otherwise = FailureCode::response_timeout;
  if (error == StreamError::held_limit) otherwise = FailureCode::overloaded;
  if (error == StreamError::draining) otherwise = FailureCode::client_left;  // cut by ourselves
  return {otherwise, upstream::Retryable::no, {}};
}

}  // namespace

class MirrorExchange {
 public:
  MirrorExchange(Services& services, std::shared_ptr<Generation> generation, const RouteServices::Mirror& mirror,
                 MirroredRequest request);
  MirrorExchange(const MirrorExchange&) = delete;
  MirrorExchange& operator=(const MirrorExchange&) = delete;
  ~MirrorExchange();

  bool hold_bytes() noexcept { return share_.take(request_.bytes.size()); }
  Awaitable<> run();
  void cut(ErrorCode reason);

 private:
  friend class MirrorSet;
  Awaitable<Failure> exchange();
  Awaitable<Failure> connect();
  Failure send();
  Awaitable<Failure> read_head();
  Awaitable<Failure> read_body();

  Services& services_;
  const std::shared_ptr<Generation> generation_;  // owns the cluster
  upstream::Cluster& cluster_;
  metrics::MirrorMetrics& metrics_;
  MirroredRequest request_;
  tls::HeldShare share_;  // of request_.bytes
  metrics::GaugeHold counted_;
  upstream::Picked picked_;
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
      deadline_(
          services.io.wheel, [](void* self) { static_cast<MirrorExchange*>(self)->picked_.connection.stream->abort(StreamError::timed_out); }, this),
      response_(services.response_heads.borrow()),
      next_(services.mirrors.first_) {
  if (next_ != nullptr) next_->previous_ = this;
  services.mirrors.first_ = this;
}

MirrorExchange::~MirrorExchange() {
  (previous_ != nullptr ? previous_->next_ : services_.mirrors.first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void MirrorExchange::cut(ErrorCode reason) {
  if (picked_.connection.stream) picked_.connection.stream->abort(reason);
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
  const upstream::Need need{.http1 = true, .opening = request_.opening};
  upstream::Result<upstream::Picked> picked = cluster_.pick({.excluded = {}, .hash = request_.hash}, need);
  if (!picked) co_return std::move(picked.failure());
  picked_ = std::move(*picked);
  Failure failure = co_await connect();
  if (failure.code == FailureCode::none) failure = send();
  if (failure.code == FailureCode::none) failure = co_await read_head();
  if (failure.code == FailureCode::none) {
    cluster_.endpoint_answered(picked_.index, response_->status);
    failure = co_await read_body();
  } else if (failure.code != FailureCode::client_left) {
    cluster_.attempt_failed(picked_.index, failure, picked_.connection.reused);
  }
  co_return failure;
}

Awaitable<Failure> MirrorExchange::connect() {
  if (!picked_.connection.stream) {
    Failure failure = co_await cluster_.connect(picked_, request_.connect_timeout, cancellation_);
    if (failure.code != FailureCode::none && !cancellation_.reason()) co_return failure;
  }
  if (cancellation_.reason()) co_return failure_of(cancellation_.reason(), FailureCode::connect_timeout);
  co_return Failure{};
}

Failure MirrorExchange::send() {
  deadline_.set_after(request_.time);
  const ErrorCode error = picked_.connection.stream->write({request_.bytes});
  cluster_.metrics().bytes_sent.add(request_.bytes.size());
  std::string().swap(request_.bytes);  // the stream keeps, and counts, what has not left
  share_.give_back();
  // A backend that has closed its side may have answered before: reading tells.
  if (error && error != std::errc::broken_pipe && error != std::errc::connection_reset) return failure_of(error, FailureCode::reset);
  return {};
}

Awaitable<Failure> MirrorExchange::read_head() {
  http1::ResponseParser parser(request_.limits);
  std::string partial;
  unsigned interim = 0;
  for (;;) {
    char* scratch = services_.io.scratch();
    const tls::ReadResult read = picked_.connection.stream->read_some(scratch, tls::kHeadRead);
    if (read.error == StreamError::would_block) {
      co_await picked_.connection.stream->wait_readable();
      continue;
    }
    if (read.error) co_return failure_of(read.error, partial.empty() ? FailureCode::reset : FailureCode::bad_response);
    std::string_view bytes(scratch, read.size);
    if (!partial.empty()) bytes = partial.append(bytes);
    const http1::HeadResult head = parser.parse(bytes, request_.method, *response_);
    if (head.state == http1::HeadResult::failed) co_return Failure{FailureCode::bad_response, upstream::Retryable::no, {}};
    if (head.state == http1::HeadResult::incomplete) {
      if (partial.empty()) partial.assign(bytes);
      continue;
    }
    picked_.connection.stream->unread(bytes.substr(head.consumed));
    if (response_->status == 101) co_return Failure{FailureCode::bad_upgrade, upstream::Retryable::no, {}};
    if (response_->status >= 200) co_return Failure{};
    if (++interim > kMaxInterim) co_return Failure{FailureCode::bad_response, upstream::Retryable::no, {}};
    partial.clear();
    parser.reset();
    response_->clear();
  }
}

Awaitable<Failure> MirrorExchange::read_body() {
  http1::BodyDecoder decoder(response_->body, request_.limits.max_head);
  std::size_t all = 0, turn = 0;
  while (!decoder.done()) {
    if (turn > tls::kBytesPerTurn) {
      turn = 0;
      co_await services_.io.loop.next_turn();
    }
    const tls::ReadResult read = picked_.connection.stream->read_some(services_.io.scratch(), tls::kRelayBlock);
    if (read.error == StreamError::would_block) {
      co_await picked_.connection.stream->wait_readable();
      continue;
    }
    if (read.error == StreamError::eof && decoder.complete_at_end()) co_return Failure{};
    if (read.error == StreamError::timed_out) co_return Failure{FailureCode::body_timeout, upstream::Retryable::no, {}};
    if (read.error) co_return failure_of(read.error, FailureCode::body_truncated);
    const http1::DecodeResult decoded = decoder.decode(services_.io.scratch(), read.size);
    if (decoded.error != http::ParseError::none) co_return Failure{FailureCode::bad_body, upstream::Retryable::no, {}};
    cluster_.metrics().bytes_received.add(decoded.payload);
    if (decoded.consumed < read.size) co_return Failure{};  // more than its answer: the connection is of no more use
    turn += read.size;
    all += read.size;
    if (all > kMostRead) co_return Failure{};
  }
  const bool keeps = response_->keep_alive && response_->body.kind != http::BodyKind::until_close && picked_.connection.stream->flushed();
  deadline_.clear();
  if (keeps) cluster_.release(picked_.index, std::move(picked_.connection));
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
  if (!exchange->hold_bytes()) return false;
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
