#include "upstream/connector.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/redirect_error.hpp>

#include "tls/openssl_error.h"
#include "tls/stream_error.h"

namespace sluice::upstream {
namespace {

using tls::StreamError;

// What the time limit and the cancellation stop: whichever of socket and stream exists now.
struct Attempt {
  Socket* socket = nullptr;
  tls::Stream* stream = nullptr;
  ErrorCode stopped;

  void stop(ErrorCode reason) {
    if (stopped) return;
    stopped = reason;
    ErrorCode ignored;
    if (stream != nullptr) stream->abort(reason);
    if (socket != nullptr) socket->cancel(ignored);
  }
};

// A descriptor of our own making: Asio sets neither CLOEXEC nor, before its first operation, non-blocking.
ErrorCode open_socket(Socket& socket, const SocketAddress& address) {
  const int descriptor =
      ::socket(address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address.protocol().protocol());
  if (descriptor < 0) return {errno, std::system_category()};
  ErrorCode error;
  socket.assign(asio::generic::stream_protocol(address.protocol().family(), address.protocol().protocol()), descriptor,
                error);
  if (error) {
    ::close(descriptor);
    return error;
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return error;
}

Failure failure_of(ErrorCode error) {
  Failure failure{FailureCode::connect_failed, Retryable::always, error.message()};
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

Failure handshake_failure(ErrorCode error, const tls::Stream& stream) {
  Failure failure = failure_of(error);
  if (failure.code == FailureCode::client_left || failure.code == FailureCode::connect_timeout) return failure;
  failure.code = FailureCode::tls_failed;
  failure.detail = error.message() + ": " + tls::take_openssl_error_text();
  if (error == StreamError::verify_failed) {
    failure.code = FailureCode::certificate_rejected;
    failure.detail = tls::verify_failure_text(stream.ssl());
  }
  return failure;
}

Awaitable<ErrorCode> connect_any(Socket& socket, Endpoint& endpoint, Attempt& attempt) {
  const std::shared_ptr<const Addresses> addresses = endpoint.addresses;  // a resolver's update may replace it meanwhile
  const std::size_t first = endpoint.next_address++;
  ErrorCode error;
  for (std::size_t i = 0; i < addresses->size() && !attempt.stopped; ++i) {
    const SocketAddress& address = (*addresses)[(first + i) % addresses->size()];
    ErrorCode ignored;
    socket.close(ignored);
    error = open_socket(socket, address);
    if (error) continue;
    co_await socket.async_connect(address, asio::redirect_error(use_awaitable, error));
    if (!error) break;
  }
  co_return attempt.stopped ? attempt.stopped : plain_error(error);
}

}  // namespace

Awaitable<Result<tls::StreamPtr>> connect(tls::WorkerIo& io, Endpoint& endpoint, const tls::ClientContext* tls_context,
                                          config::OptionalDuration timeout, tls::Cancellation& cancellation) {
  if (!endpoint.addresses || endpoint.addresses->empty()) {
    co_return Failure{FailureCode::resolve_failed, Retryable::always, endpoint.settings.host + " has no address"};
  }
  Socket socket(io.context.get_executor());
  Attempt attempt;
  attempt.socket = &socket;
  tls::Deadline deadline(
      io.wheel, [](void* context) { static_cast<Attempt*>(context)->stop(StreamError::timed_out); }, &attempt);
  deadline.set_after(timeout);
  const tls::Cancellation::Registration registration(
      cancellation, [](void* context, ErrorCode reason) { static_cast<Attempt*>(context)->stop(reason); }, &attempt);

  const ErrorCode error = co_await connect_any(socket, endpoint, attempt);
  if (error) co_return failure_of(error);
  attempt.socket = nullptr;
  if (!endpoint.settings.https) {
    tls::StreamPtr stream = tls::Stream::plain(io, std::move(socket));
    co_return Result<tls::StreamPtr>(std::move(stream));
  }
  tls::SslPtr ssl = tls_context->new_session(endpoint.settings.host);
  if (!ssl) co_return Failure{FailureCode::tls_failed, Retryable::no, "no TLS session could be made"};
  tls::StreamPtr stream = tls::Stream::secure(io, std::move(socket), std::move(ssl));
  attempt.stream = stream.get();
  const ErrorCode handshake_error = co_await stream->handshake();
  if (handshake_error) co_return handshake_failure(handshake_error, *stream);
  co_return Result<tls::StreamPtr>(std::move(stream));
}

}  // namespace sluice::upstream
