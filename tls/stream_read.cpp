// The reading half of Stream.
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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
      unread_ = std::string();  // an idle connection keeps no memory for it
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

std::size_t Stream::take_inline(char* data, std::size_t size) noexcept {
  const std::size_t n = std::min<std::size_t>(size, inline_size_ - inline_used_);
  std::memcpy(data, inline_.data() + inline_used_, n);
  inline_used_ = static_cast<std::uint16_t>(inline_used_ + n);
  if (inline_used_ == inline_size_) inline_used_ = inline_size_ = 0;
  return n;
}

ReadResult Stream::receive(char* data, std::size_t size) {
  std::size_t n = 0;
  if (inline_size_ > 0) {
    n = take_inline(data, size);
    if (drained_ || n == size) return {n, {}};
  }
  if (socket_eof_) return n > 0 ? ReadResult{n, {}} : ReadResult{0, StreamError::eof};
  // While a read is pending the socket is known to be empty; a direct recv would overtake it.
  if (drained_ || read_pending_) return n > 0 ? ReadResult{n, {}} : ReadResult{0, StreamError::would_block};
  ssize_t got;
  do {
    got = ::recv(socket_.native_handle(), data + n, size - n, 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    drained_ = static_cast<std::size_t>(got) < size - n;  // the next wait looks again, also for a FIN behind it
    return {n + static_cast<std::size_t>(got), {}};
  }
  if (got == 0) {
    // A send may have been told of the reset first: then this is no orderly end.
    if (write_error_ == std::errc::connection_reset) return {0, write_error_};
    socket_eof_ = true;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    drained_ = true;
  } else {
    const ErrorCode error = ErrorCode(errno, std::system_category());
    if (n == 0) return {0, error};
    error_ = error;  // the socket reports it only once
    return {n, {}};
  }
  if (n > 0) return {n, {}};
  return {0, socket_eof_ ? StreamError::eof : StreamError::would_block};
}

ReadResult Stream::read_plain(char* data, std::size_t size) {
  const ReadResult result = receive(data, size);
  if (result.error == StreamError::eof) {
    read_ended_ = true;
  } else if (result.error && result.error != StreamError::would_block) {
    error_ = result.error;
  }
  return result;
}

ReadResult Stream::read_tls(char* data, std::size_t size) {
  if (overflow_.size() + overflow_next_.size() > kMaxOverflowWhileReading) {
    read_waits_flush_ = true;
    return {0, StreamError::would_block};
  }
  if (turn_over_) return {0, StreamError::would_block};
  raw_budget_ = size + kReadAhead;
  std::size_t total = 0;
  while (total < size) {
    ERR_clear_error();
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
    } else if (error != StreamError::would_block) {
      error_ = error;
    }
    if (total == 0) return {0, error};
    break;
  }
  return {total, {}};
}

Awaitable<> Stream::wait_readable() {
  read_waiter_.reset();
  arm_read();
  return read_waiter_.wait();
}

void Stream::on_readable(Callback callback, void* context) {
  readable_ = {callback, context};
  arm_read();
}

void Stream::yield(Callback callback, void* context) {
  readable_ = {callback, context};
  wake_reader_later();
}

void Stream::arm_read() {
  if (read_pending_ || read_waits_flush_) return;
  if (readable_now()) return wake_reader_later();
  drained_ = false;
  read_pending_ = true;
  ++pending_;
  socket_.async_read_some(asio::buffer(inline_),
                          [this](const ErrorCode& error, std::size_t size) { on_read(error, size); });
}

void Stream::on_read(const ErrorCode& error, std::size_t size) {
  read_pending_ = false;
  if (!operation_done()) return;
  if (!error) {
    inline_size_ = static_cast<std::uint16_t>(size);
    inline_used_ = 0;
    drained_ = size < kInlineSize;
  } else if (error == asio::error::eof) {
    socket_eof_ = true;
  } else if (!error_) {
    error_ = plain_error(error);
  }
  wake_reader();
}

void Stream::wake_reader_later() {
  ++pending_;
  asio::post(socket_.get_executor(), [this] {
    if (operation_done()) wake_reader();
  });
}

// The last thing that its callers do: whoever is woken may close the stream.
void Stream::wake_reader() {
  turn_over_ = false;
  if (read_waiter_.waiting()) return read_waiter_.wake_now();
  if (readable_.callback != nullptr) return readable_.fire();
  if (on_end_ == nullptr) return;
  const bool ended = error_ || (ssl_ ? tls_end_seen() : socket_eof_ || watch_data_);
  if (ended) std::exchange(on_end_, nullptr)(on_end_context_);
}

void Stream::watch_end(Callback on_end, void* context) {
  on_end_ = on_end;
  on_end_context_ = context;
  watch_data_ = false;
  if (ssl_ && SSL_has_pending(ssl_.get())) return wake_reader_later();  // no socket event tells of what OpenSSL holds
  if (!readable_now()) arm_read();
}

void Stream::watch_idle(Callback on_event, void* context) {
  watch_end(on_event, context);
  watch_data_ = true;
}

// Whether a read would find the end (or what else is watched for) now; waits on while only TLS's own records come.
bool Stream::tls_end_seen() {
  raw_budget_ = kReadAhead;
  char byte;
  std::size_t n = 0;
  ERR_clear_error();
  const int ok = SSL_peek_ex(ssl_.get(), &byte, 1, &n);
  if (ok > 0) return watch_data_;
  if (tls_error(ok) != StreamError::would_block) return true;
  arm_read();
  return false;
}
}  // namespace sluice::tls
