// The writing half of Stream.
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kRecordSize = 16 * 1024;

iovec part_of(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

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
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return write_error_ = ErrorCode(errno, std::system_category());
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
}  // namespace sluice::tls
