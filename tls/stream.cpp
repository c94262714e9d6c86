#include "tls/stream.h"

#include <openssl/err.h>

#include <cassert>

#include "tls/stream_bio.h"
#include "tls/stream_error.h"

namespace sluice::tls {

void StreamClose::operator()(Stream* stream) const noexcept { stream->close(); }

StreamPtr Stream::plain(WorkerIo& io, Socket socket) { return StreamPtr(new Stream(io, std::move(socket), nullptr)); }

StreamPtr Stream::secure(WorkerIo& io, Socket socket, SslPtr ssl) {
  assert(ssl && "without a session the stream would be plain");
  return StreamPtr(new Stream(io, std::move(socket), std::move(ssl)));
}

Stream::Stream(WorkerIo& io, Socket socket, SslPtr ssl) : io_(io), socket_(std::move(socket)), ssl_(std::move(ssl)) {
  if (ssl_) StreamBio::attach(*this);
}

Stream::~Stream() { give_back_held(); }

void Stream::close() noexcept {
  if (ssl_ && !error_ && !write_error_ && !fin_wanted_ && flushed() && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // close_notify, as far as the socket takes it
  }
  closed_ = true;
  on_end_ = nullptr;
  readable_ = {};
  flushed_interest_ = {};
  write_deadline_.reset();
  ErrorCode ignored;
  socket_.close(ignored);
  attachment_.reset();
  if (pending_ == 0) delete this;
}

bool Stream::operation_done() noexcept {
  --pending_;
  if (!closed_) return true;
  if (pending_ == 0) delete this;
  return false;
}

Awaitable<ErrorCode> Stream::handshake() {
  if (!ssl_) co_return ErrorCode{};
  while (!error_) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) break;
    const ErrorCode error = tls_error(result);
    if (error != StreamError::would_block) {
      error_ = error;
    } else {
      co_await wait_readable();
    }
  }
  co_return error_;
}

ErrorCode Stream::tls_error(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return StreamError::would_block;
    case SSL_ERROR_ZERO_RETURN:
      return StreamError::eof;
    case SSL_ERROR_SYSCALL:
      return error_ ? error_ : make_error_code(StreamError::truncated);
    default:
      break;
  }
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return StreamError::truncated;
  if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) return StreamError::verify_failed;
  return StreamError::tls_failed;
}

void Stream::abort(ErrorCode error) {
  if (!error_) error_ = error;
  if (!write_error_) write_error_ = error;
  ErrorCode ignored;
  socket_.cancel(ignored);  // what is pending comes back and wakes whoever waits
  if (std::exchange(read_waits_flush_, false) || (on_end_ != nullptr && !read_pending_)) wake_reader_later();
}

}  // namespace sluice::tls
