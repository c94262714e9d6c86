// The reading half of Stream.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tls/openssl_error.h"
#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

// Over this, reading stops until the peer takes what TLS itself wants to send.
// More than one write of the owner's leaves, which must not stop the reading.
constexpr std::size_t kMaxOverflowWhileReading = 2 * kScratchSize;
// What OpenSSL may take from the socket beyond the bytes that were asked for: two records.
constexpr std::size_t kReadAhead = 2 * 16640;

}  // namespace

ReadResult Stream::read_some(char* data, std::size_t size) {
  if (!unread_.empty()) {
    const std::size_t n = std::min(size, unread_.size());
    std::memcpy(data, unread_.data(), n);
    if (n == unread_.size()) {
      FrameString().swap(unread_);  // an idle connection keeps no memory for it; assigning would
    } else {
      unread_.erase(0, n);
    }
    return {n, {}};
  }
  if (error_) return {0, error_};
  return ssl_ ? read_tls(data, size) : read_plain(data, size);
}

void Stream::unread(std::string_view bytes) {
  if (!bytes.empty()) unread_.insert(0, bytes);
}

// Unset: a call is worth making.
ErrorCode Stream::cannot_receive() const noexcept {
  if (socket_eof_) return StreamError::eof;
  return ready_ ? ErrorCode{} : StreamError::would_block;
}

// Until it returns anything but EINTR.
ssize_t Stream::receive_some(char* data, std::size_t size, int flags) noexcept {
  ssize_t got;
  do {
    got = ::recv(socket_.get(), data, size, flags);
  } while (got < 0 && errno == EINTR);
  return got;
}

ReadResult Stream::receive(char* data, std::size_t size) {
  if (const ErrorCode unable = cannot_receive()) return {0, unable};
  const ssize_t got = receive_some(data, size, 0);
  if (got <= 0) return {0, received_nothing(got)};
  drips_ = drips_ && static_cast<std::size_t>(got) < kDrip;
  // Less than there was room for: nothing is left, and what comes next is an event of its own. So is a FIN, unless it came before.
  if (static_cast<std::size_t>(got) < size && !hung_up_) ready_ = false;
  return {static_cast<std::size_t>(got), {}, !ready_};
}

// Why, after a call that returned `got`: 0 or less.
ErrorCode Stream::received_nothing(ssize_t got) {
  if (got == 0) {
    // A send may have been told of the reset first: then this is no orderly end.
    if (write_error_ == std::errc::connection_reset) return write_error_;
    socket_eof_ = true;
    return StreamError::eof;
  }
  if (errno != EAGAIN && errno != EWOULDBLOCK) return ErrorCode(errno, std::system_category());
  ready_ = false;
  return StreamError::would_block;
}

ReadResult Stream::read_plain(char* data, std::size_t size) { return note_end(receive(data, size)); }

// Of a plain stream.
ReadResult Stream::note_end(const ReadResult& result) {
  if (result.error == StreamError::eof) {
    read_ended_ = true;
  } else if (result.error && result.error != StreamError::would_block) {
    error_ = result.error;
  }
  return result;
}

ReadResult Stream::read_tls(char* data, std::size_t size) {
  if (kept() > most_kept_ + kMaxOverflowWhileReading) {
    read_waits_flush_ = true;
    return {0, StreamError::would_block};
  }
  if (turn_over_) return {0, StreamError::would_block};
  raw_budget_ = size + kReadAhead;
  std::size_t total = 0;
  bool drained = false;
  while (total < size && !(drained = !tls_has_something())) {
    forget_openssl_errors();
    std::size_t n = 0;
    const int ok = SSL_read_ex(ssl_.get(), data + total, size - total, &n);
    if (ok > 0) {
      total += n;
      key_updates_ = 0;
      continue;
    }
    const ErrorCode error = tls_error(ok);
    if (error == StreamError::eof) {
      read_ended_ = true;
    } else if (error == StreamError::tls_failed) {
      tls_violated(io_.metrics.tls_protocol);
    } else if (error != StreamError::would_block) {
      error_ = error;
    }
    if (total == 0) return {0, error};
    break;
  }
  return total > 0 ? ReadResult{total, {}, drained} : ReadResult{0, StreamError::would_block};
}

// Whether OpenSSL has more to say than "not now", which costs it 2,000 instructions.
bool Stream::tls_has_something() const noexcept {
  return ready_ || socket_eof_ || SSL_has_pending(ssl_.get()) || (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN);
}

Awaitable<> Stream::wait_readable() {
  read_waiter_.reset();
  if (readable_now()) wake_reader_later();
  co_await read_waiter_.wait();
}

void Stream::on_readable(Callback callback, void* context) {
  readable_ = {callback, context};
  if (readable_now()) wake_reader_later();
}

void Stream::yield(Callback callback, void* context) {
  readable_ = {callback, context};
  wake_reader_later();
}

void Stream::wake_reader_later() noexcept {
  reader_due_ = true;
  next_turn_.request();
}

// The last thing that its callers do: whoever is woken may close the stream.
void Stream::wake_reader() {
  if (read_waits_flush_) return;
  turn_over_ = false;
  if (read_waiter_.waiting()) return read_waiter_.wake();
  if (readable_.callback != nullptr) return readable_.fire();
  if (on_end_ != nullptr && end_seen()) std::exchange(on_end_, nullptr)(on_end_context_);
}

void Stream::watch_end(Callback on_end, void* context) {
  on_end_ = on_end;
  on_end_context_ = context;
  watch_data_ = false;
  // No event tells of what came before, nor of what OpenSSL holds.
  if (error_ || ready_ || hung_up_ || socket_eof_ || (ssl_ && SSL_has_pending(ssl_.get()))) wake_reader_later();
}

void Stream::watch_idle(Callback on_event, void* context) {
  watch_end(on_event, context);
  watch_data_ = true;
}

// Whether the end (or what else is watched for) has come.
bool Stream::end_seen() {
  if (error_ || hung_up_ || socket_eof_) return true;
  if (!ready_ && !ssl_) return false;
  if (ssl_) return tls_end_seen();
  if (!watch_data_) return false;  // bytes are the owner's to read; a FIN would have been told
  char byte;
  if (::recv(socket_.get(), &byte, 1, MSG_PEEK) >= 0) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return true;
  ready_ = false;  // the event was of bytes that are read already
  return false;
}

// Reads no application data, only what TLS itself has to say.
bool Stream::tls_end_seen() {
  raw_budget_ = kReadAhead;
  char byte;
  std::size_t n = 0;
  forget_openssl_errors();
  const int ok = SSL_peek_ex(ssl_.get(), &byte, 1, &n);
  if (ok > 0) return watch_data_;
  const ErrorCode error = tls_error(ok);
  if (error == StreamError::would_block) {
    if (turn_over_) wake_reader_later();
    return false;
  }
  if (error == StreamError::tls_failed) {
    tls_violated(io_.metrics.tls_protocol);
  } else if (error != StreamError::eof) {
    error_ = error;
  }
  return true;
}
}  // namespace sluice::tls
