#include "tls/stream.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "tls/stream_bio.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kRecordSize = 16 * 1024;
// Over this, reading stops until the peer takes what TLS itself wants to send.
// More than one write of the owner's leaves, which must not stop the reading.
constexpr std::size_t kMaxOverflowWhileReading = 2 * kScratchSize;

ErrorCode system_error(int number) { return {number, std::system_category()}; }

iovec part_of(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

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

// ---- reading -------------------------------------------------------------------------------------------------------

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
    const ErrorCode error = system_error(errno);
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
  std::size_t total = 0;
  while (total < size) {
    ERR_clear_error();
    std::size_t n = 0;
    const int ok = SSL_read_ex(ssl_.get(), data + total, size - total, &n);
    if (ok > 0) {
      total += n;
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
  if (!readable_now()) arm_read();
}

void Stream::watch_idle(Callback on_event, void* context) {
  watch_end(on_event, context);
  watch_data_ = true;
}

// Whether a read would find the end (or what else is watched for) now; waits on while only TLS's own records come.
bool Stream::tls_end_seen() {
  char byte;
  std::size_t n = 0;
  ERR_clear_error();
  const int ok = SSL_peek_ex(ssl_.get(), &byte, 1, &n);
  if (ok > 0) return watch_data_;
  if (tls_error(ok) != StreamError::would_block) return true;
  arm_read();
  return false;
}

// ---- writing -------------------------------------------------------------------------------------------------------

ErrorCode Stream::write(std::initializer_list<std::string_view> parts) {
  if (write_error_) return write_error_;
  if (ssl_) return write_tls(parts);
  std::array<iovec, kMaxParts> vectors;
  std::size_t count = 0;
  for (const std::string_view part : parts) {
    if (!part.empty()) vectors[count++] = part_of(part);
  }
  return count == 0 ? ErrorCode{} : transmit(vectors.data(), count);
}

ErrorCode Stream::write_tls(std::initializer_list<std::string_view> parts) {
  std::size_t total = 0;
  std::string_view only;
  for (const std::string_view part : parts) {
    total += part.size();
    if (!part.empty()) only = part;
  }
  if (total == 0) return {};
  if (only.size() == total && total <= kRecordSize) return ssl_write(only.data(), only.size());
  if (total <= kRecordSize) {  // one record instead of several
    io_.joined.clear();
    for (const std::string_view part : parts) io_.joined.append(part);
    return ssl_write(io_.joined.data(), io_.joined.size());
  }
  io_.records.clear();
  corked_ = true;
  ErrorCode error;
  for (const std::string_view part : parts) {
    if (!error && !part.empty()) error = ssl_write(part.data(), part.size());
  }
  corked_ = false;
  if (error) return error;
  const iovec records = part_of(io_.records);
  return transmit(&records, 1);
}

ErrorCode Stream::ssl_write(const char* data, std::size_t size) {
  while (size > 0) {
    ERR_clear_error();
    std::size_t n = 0;
    const int ok = SSL_write_ex(ssl_.get(), data, size, &n);
    if (ok <= 0) {
      if (!write_error_) write_error_ = tls_error(ok);
      return write_error_;
    }
    data += n;
    size -= n;
  }
  return write_error_;
}

ErrorCode Stream::transmit(const iovec* parts, std::size_t count) {
  if (write_error_) return write_error_;
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += parts[i].iov_len;
  std::size_t sent = 0;
  if (overflow_.empty()) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    ssize_t n;
    do {
      n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return write_error_ = system_error(errno);
    sent = n > 0 ? static_cast<std::size_t>(n) : 0;
    bytes_written_ += sent;
  }
  return sent == total ? ErrorCode{} : keep(parts, count, sent);
}

ErrorCode Stream::keep(const iovec* parts, std::size_t count, std::size_t skip) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += parts[i].iov_len;
  size -= skip;
  if (!io_.held.take(size)) {
    io_.metrics.held_rejected.add();
    abort(StreamError::held_limit);
    return write_error_;
  }
  io_.metrics.held_bytes.add(static_cast<std::int64_t>(size));
  std::string& queue = write_pending_ ? overflow_next_ : overflow_;
  queue.reserve(queue.size() + size);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t left_out = std::min(skip, parts[i].iov_len);
    queue.append(static_cast<const char*>(parts[i].iov_base) + left_out, parts[i].iov_len - left_out);
    skip -= left_out;
  }
  if (write_pending_) return {};
  if (write_idle_limit_) {
    if (!write_deadline_) {
      write_deadline_.emplace(io_.wheel, [](void* stream) { static_cast<Stream*>(stream)->on_write_idle(); }, this);
    }
    write_deadline_->set_after(*write_idle_limit_);
  }
  start_flush();
  return {};
}

void Stream::on_write_idle() {
  if (write_idle_count_ != nullptr) write_idle_count_->add();
  abort(StreamError::write_idle);
}

void Stream::start_flush() {
  write_pending_ = true;
  ++pending_;
  socket_.async_write_some(asio::buffer(overflow_.data() + overflow_sent_, overflow_.size() - overflow_sent_),
                           [this](const ErrorCode& error, std::size_t size) { on_write(error, size); });
}

void Stream::on_write(const ErrorCode& error, std::size_t size) {
  write_pending_ = false;
  if (!operation_done()) return;
  if (error) {
    if (!write_error_) write_error_ = plain_error(error);
    return flush_done();
  }
  bytes_written_ += size;
  overflow_sent_ += size;
  if (write_deadline_ && write_idle_limit_) write_deadline_->set_after(*write_idle_limit_);
  if (write_error_) return flush_done();  // aborted meanwhile
  if (overflow_sent_ == overflow_.size()) {
    io_.held.give_back(overflow_.size());
    io_.metrics.held_bytes.add(-static_cast<std::int64_t>(overflow_.size()));
    overflow_ = std::exchange(overflow_next_, std::string());
    overflow_sent_ = 0;
    if (overflow_.empty()) return flush_done();
  }
  start_flush();
}

// The last thing that its callers do: whoever is woken may close the stream.
void Stream::flush_done() {
  if (write_deadline_) write_deadline_->clear();
  if (write_error_) give_back_held();
  if (fin_wanted_ && !write_error_) send_fin();
  if (std::exchange(read_waits_flush_, false)) wake_reader_later();
  if (flush_waiter_.waiting()) return flush_waiter_.wake_now();
  flushed_interest_.fire();
}

Awaitable<> Stream::wait_flushed() {
  flush_waiter_.reset();
  if (flushed()) flush_waiter_.wake();
  return flush_waiter_.wait();
}

void Stream::on_flushed(Callback callback, void* context) { flushed_interest_ = {callback, context}; }

void Stream::shutdown_write() {
  if (fin_wanted_ || write_error_) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  fin_wanted_ = true;
  if (flushed()) send_fin();
}

void Stream::send_fin() {
  if (fin_sent_) return;
  fin_sent_ = true;
  ::shutdown(socket_.native_handle(), SHUT_WR);
}

void Stream::give_back_held() noexcept {
  const std::size_t size = overflow_.size() + overflow_next_.size();
  if (size == 0) return;
  io_.held.give_back(size);
  io_.metrics.held_bytes.add(-static_cast<std::int64_t>(size));
  overflow_ = std::string();
  overflow_next_ = std::string();
  overflow_sent_ = 0;
}

// ---- both ----------------------------------------------------------------------------------------------------------

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
