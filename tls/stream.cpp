#include "tls/stream.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>

#include "tls/openssl_error.h"
#include "tls/reset_on_close.h"
#include "tls/stream_bio.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

// EPOLLOUT comes later, if ever: a unix socket would tell of room each time its peer reads.
constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
// Of a peer whose handshake failed: in one turn, too.
constexpr std::size_t kMaxDiscarded = kBytesPerTurn;

}  // namespace

void StreamClose::operator()(Stream* stream) const noexcept { delete stream; }
void Stream::close() noexcept { delete this; }

StreamPtr Stream::plain(WorkerIo& io, Descriptor socket) { return StreamPtr(new Stream(io, std::move(socket))); }

StreamPtr Stream::secure(WorkerIo& io, Descriptor socket, SslPtr ssl) {
  StreamPtr stream(new Stream(io, std::move(socket)));
  stream->start_tls(std::move(ssl));
  return stream;
}

void Stream::start_tls(SslPtr ssl) {
  assert(ssl && "without a session the stream would stay plain");
  assert(!ssl_ && unread_.empty());
  ssl_ = std::move(ssl);
  StreamBio::attach(*this);
}

Stream::Stream(WorkerIo& io, Descriptor socket)
    : Duplex(io), socket_(std::move(socket)), next_turn_(io.loop, &Stream::on_next_turn, this) {
  error_ = write_error_ = io_.loop.add(socket_.get(), kReadEvents, *this);
}

Stream::~Stream() {
  if (ssl_ && !error_ && !write_error_ && !fin_wanted_ && flushed() && SSL_is_init_finished(ssl_.get())) {
    forget_openssl_errors();
    SSL_shutdown(ssl_.get());  // close_notify, as far as the socket takes it
  }
  if (error_ == StreamError::write_idle || error_ == StreamError::held_limit) reset_on_close(socket_.get());
  io_.loop.before_close(socket_.get(), *this);
  forget_kept();
  socket_.close();
  attachment_.reset();
}

void Stream::on_events(std::uint32_t events) {
  const bool to_read = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool room = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  if (to_read) ready_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if (connecting_) {
    if (room) on_connected();
    return;
  }
  if (room && keeps_memory() && send_kept()) {
    if (to_read) wake_reader_later();  // whoever is woken first may close the stream
    return flush_done();
  }
  if (to_read) wake_reader();
}

void Stream::on_next_turn(void* stream) {
  Stream& self = *static_cast<Stream*>(stream);
  if (std::exchange(self.writer_due_, false)) {
    if (self.reader_due_) self.next_turn_.request();  // whoever is woken first may close the stream
    return self.flush_done();
  }
  if (std::exchange(self.reader_due_, false)) self.wake_reader();
}

std::string_view Stream::alpn() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (ssl_) SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

Awaitable<ErrorCode> Stream::connected() {
  connecting_ = true;
  wait_for_room();
  while (connecting_ && !write_error_) co_await flush_waiter_.wait();
  co_return write_error_;
}

void Stream::wait_for_room() {
  if (room_watched_) return;
  room_watched_ = true;
  const ErrorCode error = io_.loop.change(socket_.get(), kReadEvents | EPOLLOUT, *this);
  if (error) abort(error);
}

void Stream::on_connected() {
  connecting_ = false;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0 && !error_) error_ = write_error_ = ErrorCode(error, std::system_category());
  flush_waiter_.wake();
}

Awaitable<ErrorCode> Stream::handshake() {
  if (!ssl_) co_return ErrorCode{};
  while (!error_) {
    if (SSL_is_server(ssl_.get()) && readable_now() && !io_.loop.heavy_work().begins_now()) {
      co_await wait_for_heavy_work();
      if (error_) break;  // meanwhile
    }
    forget_openssl_errors();
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

// Not with backends: how many of these begin is bounded by what clients ask.
Awaitable<> Stream::wait_for_heavy_work() {
  const HeavyWork::Kind kind = bytes_written_ > 0 ? HeavyWork::Kind::goes_on : HeavyWork::Kind::begins;
  const HeavyWork::Place place(io_.loop.heavy_work(), read_waiter_, kind);
  while (!place.turn_has_come() && !error_) {
    read_waiter_.reset();
    co_await read_waiter_.wait();
  }
}

// Closing a socket with unread bytes, such as a request that follows the handshake at once, resets the connection, and the
// reset can overtake the alert.
Awaitable<> Stream::wait_for_end() {
  ::shutdown(socket_.get(), SHUT_WR);
  std::size_t discarded = 0;
  while (!write_error_ && discarded < kMaxDiscarded) {
    const ReadResult read = receive(io_.scratch(), kScratchSize);
    discarded += read.size;
    if (read.error == StreamError::would_block) {
      read_waiter_.reset();
      co_await read_waiter_.wait();
    } else if (read.error) {
      co_return;
    }
  }
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
  if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return StreamError::certificate_missing;
  return StreamError::tls_failed;
}

void Stream::tls_violated(metrics::Counter& reason) {
  if (error_) return;
  error_ = StreamError::tls_failed;
  if (SSL_is_server(ssl_.get())) reason.add();
}

void Stream::abort(ErrorCode error) {
  if (!error_) error_ = error;
  if (!write_error_) write_error_ = error;
  read_waits_flush_ = false;
  writer_due_ = true;
  wake_reader_later();
}

}  // namespace sluice::tls
