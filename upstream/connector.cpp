#include "upstream/connector.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "tls/client_sessions.h"
#include "tls/openssl_error.h"
#include "tls/passed_descriptors.h"
#include "tls/stream_error.h"
#include "tls/tcp_options.h"
#include "tls/waiter.h"

namespace sluice::upstream {
namespace {

using tls::StreamError;

constexpr std::chrono::milliseconds kPauseWhileQueueIsFull{20};

// What the time limit and the cancellation stop.
struct Attempt {
  tls::StreamPtr stream;
  tls::Waiter pause;
  ErrorCode stopped;

  void stop(ErrorCode reason) {
    if (stopped) return;
    stopped = reason;
    if (stream) {
      stream->abort(reason);
    } else {
      pause.wake();
    }
  }
};

// A socket whose connect() is under way: `in_progress`.
tls::Descriptor start_connect(const SocketAddress& address, ErrorCode& error) {
  tls::Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket && address.family() == AF_UNIX) {
    tls::refuse_descriptors(socket.get());
  } else if (socket) {
    tls::set_tcp_options(socket.get());
  }
  error.clear();
  if (!socket || ::connect(socket.get(), address.data(), address.size()) != 0) error = ErrorCode(errno, std::system_category());
  return socket;
}

bool is_our_shortage(ErrorCode error) noexcept {
  return error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system ||
         error == std::errc::no_buffer_space || error == std::errc::not_enough_memory ||
         error == std::errc::address_not_available;  // no port is left to connect from
}

Failure handshake_failure(ErrorCode error, const tls::Stream& stream) {
  Failure failure = failure_of_connect(error);
  if (failure.code == FailureCode::client_left || failure.code == FailureCode::connect_timeout) return failure;
  failure.code = FailureCode::tls_failed;
  failure.no_protocol = tls::peer_knows_no_protocol();
  failure.detail = error.message() + ": " + tls::take_openssl_error_text();
  if (error == StreamError::verify_failed) {
    failure.code = FailureCode::certificate_rejected;
    failure.detail = tls::verify_failure_text(stream.ssl());
  }
  return failure;
}

// A unix socket whose accept queue is full says so at once, where TCP would wait.
bool queue_is_full(const SocketAddress& address, ErrorCode error) {
  return address.family() == AF_UNIX && error == std::errc::resource_unavailable_try_again;
}

Awaitable<> pause(tls::WorkerIo& io, Attempt& attempt) {
  tls::Deadline end(
      io.wheel, [](void* context) { static_cast<Attempt*>(context)->pause.wake(); }, &attempt);
  end.set_after(kPauseWhileQueueIsFull);
  co_await attempt.pause.wait();
}

tls::SslPtr new_tls_session(const tls::ClientContext& context, const Endpoint& endpoint, tls::OfferedProtocols protocols) {
  return context.new_session(endpoint.settings.name(), endpoint.resumes_tls ? session_key(endpoint.settings) : std::string(), protocols);
}

// Leaves the connected stream in `attempt`; its TLS handshake has not begun.
Awaitable<ErrorCode> connect_any(tls::WorkerIo& io, Endpoint& endpoint, const tls::ClientContext* tls_context,
                                 std::string_view opening, tls::OfferedProtocols protocols, Attempt& attempt) {
  const std::shared_ptr<const Addresses> addresses = endpoint.addresses;  // a resolver's update may replace it meanwhile
  const std::size_t first = endpoint.next_address++;
  ErrorCode error;
  for (std::size_t i = 0; i < addresses->size() && !attempt.stopped; ++i) {
    const SocketAddress& address = (*addresses)[(first + i) % addresses->size()];
    tls::Descriptor socket = start_connect(address, error);
    while (queue_is_full(address, error) && !attempt.stopped) {
      co_await pause(io, attempt);
      socket = start_connect(address, error);
    }
    const bool under_way = error == std::errc::operation_in_progress;
    if (error && !under_way) continue;
    tls::SslPtr ssl = endpoint.settings.https ? new_tls_session(*tls_context, endpoint, protocols) : nullptr;
    if (endpoint.settings.https && !ssl) co_return StreamError::tls_failed;
    attempt.stream = tls::Stream::plain(io, std::move(socket));
    error = attempt.stream->error();
    if (under_way && !error) error = co_await attempt.stream->connected();
    if (!error && !opening.empty()) error = attempt.stream->write({opening});
    if (!error && ssl) attempt.stream->start_tls(std::move(ssl));
    if (!error) break;
    attempt.stream.reset();
  }
  co_return attempt.stopped ? attempt.stopped : error;
}

}  // namespace

Failure failure_of_connect(ErrorCode error) {
  Failure failure{FailureCode::connect_failed, Retryable::always, error.message(), is_our_shortage(error)};
  if (error == StreamError::cancelled) {
    failure.code = FailureCode::client_left;
    failure.retryable = Retryable::no;
  } else if (error == StreamError::timed_out) {
    failure.code = FailureCode::connect_timeout;
  } else if (error == std::errc::connection_refused) {
    failure.code = FailureCode::connect_refused;
  } else if (error == std::errc::connection_reset) {
    failure.code = FailureCode::reset;  // it was accepted, and thrown out before we looked
  }
  return failure;
}

std::string session_key(const config::Endpoint& endpoint) { return endpoint.name() + " " + endpoint.url; }

Awaitable<Result<tls::StreamPtr>> connect(tls::WorkerIo& io, Endpoint& endpoint, const tls::ClientContext* tls_context,
                                          config::OptionalDuration timeout, tls::Cancellation& cancellation,
                                          std::string_view opening, tls::OfferedProtocols protocols) {
  if (!endpoint.addresses || endpoint.addresses->empty()) {
    co_return Failure{FailureCode::resolve_failed, Retryable::always, endpoint.settings.host + " has no address"};
  }
  Attempt attempt;
  const Clock::time_point began = Clock::now();
  tls::Deadline deadline(
      io.wheel, [](void* context) { static_cast<Attempt*>(context)->stop(StreamError::timed_out); }, &attempt);
  deadline.set_after(timeout);
  const tls::Cancellation::Registration registration(
      cancellation, [](void* context, ErrorCode reason) { static_cast<Attempt*>(context)->stop(reason); }, &attempt);

  const ErrorCode error = co_await connect_any(io, endpoint, tls_context, opening, protocols, attempt);
  if (error == StreamError::tls_failed) co_return Failure{FailureCode::tls_failed, Retryable::no, "no TLS session could be made"};
  if (error) co_return failure_of_connect(error);
  const ErrorCode handshake_error = co_await attempt.stream->handshake();
  if (attempt.stream->is_tls() && !attempt.stopped) tls::drop_refused_sessions(attempt.stream->ssl(), began);
  if (handshake_error) co_return handshake_failure(handshake_error, *attempt.stream);
  co_return Result<tls::StreamPtr>(std::move(attempt.stream));
}

}  // namespace sluice::upstream
