// The writing half of Stream.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "tls/openssl_error.h"
#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kRecordSize = 16 * 1024;

iovec part_of(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

// One part is most writes; send() spares the kernel the message header and the list.
ssize_t send_parts(int socket, iovec* parts, std::size_t count) {
  if (count == 1) return ::send(socket, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

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
  iovec records = part_of(io_.records);
  return transmit(&records, 1);
}

ErrorCode Stream::ssl_write(const char* data, std::size_t size) {
  while (size > 0) {
    forget_openssl_errors();
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

ErrorCode Stream::transmit(iovec* parts, std::size_t count) {
  if (write_error_) return write_error_;
  std::size_t left = 0;
  for (std::size_t i = 0; i < count; ++i) left += parts[i].iov_len;
  // Until all is sent or the socket is full: only then does it tell when there is room again.
  while (left > 0 && !keeps_memory()) {
    const ssize_t n = send_parts(socket_.get(), parts, count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) return send_failed(errno);
    std::size_t sent = static_cast<std::size_t>(n);
    bytes_written_ += sent;
    left -= sent;
    for (; count > 0 && sent >= parts->iov_len; ++parts, --count) sent -= parts->iov_len;
    if (count == 0) break;
    parts->iov_base = static_cast<char*>(parts->iov_base) + sent;
    parts->iov_len -= sent;
  }
  return left == 0 ? ErrorCode{} : keep_parts(parts, count, left);
}

// A peer that is gone may have said something before, and reading tells its end. After any other error the peer is there, waits
// for the rest, and would never speak again: whoever reads must not wait for it.
ErrorCode Stream::send_failed(int number) {
  const ErrorCode error(number, std::system_category());
  const bool peer_is_gone = error == std::errc::broken_pipe || error == std::errc::connection_reset;
  if (peer_is_gone) return write_error_ = error;
  abort(error);
  return write_error_;
}

// Whoever waits for it is woken in the loop's next turn, not in the middle of another stream's write.
void Stream::cut_for_others() {
  io_.metrics.held_rejected.add();
  abort(StreamError::held_limit);
  forget_kept();
}

// `size`: of all parts together.
ErrorCode Stream::keep_parts(const iovec* parts, std::size_t count, std::size_t size) {
  const bool first = !keeps_memory();
  was_full_ = true;
  if (!make_room(size)) {
    abort(StreamError::held_limit);
    return write_error_;
  }
  for (std::size_t i = 0; i < count; ++i) keep({static_cast<const char*>(parts[i].iov_base), parts[i].iov_len});
  if (!first) return {};
  if (write_idle_limit_) {
    if (!write_deadline_) {
      write_deadline_.emplace(io_.wheel, [](void* stream) { static_cast<Stream*>(stream)->on_write_idle(); }, this);
    }
    write_deadline_->set_after(*write_idle_limit_);
  }
  wait_for_room();
  return write_error_;
}

std::size_t Stream::unacknowledged() const noexcept {
  int queued = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &queued) != 0) queued = 0;
  return kept() + static_cast<std::size_t>(queued);
}

bool Stream::send_kept() {
  while (!write_error_ && kept_ > 0) {
    const ssize_t n = ::send(socket_.get(), kept_bytes().data(), kept_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (n < 0) {
      send_failed(errno);
      break;
    }
    kept_left(static_cast<std::size_t>(n));
    bytes_written_ += static_cast<std::size_t>(n);
    if (write_deadline_ && write_idle_limit_) write_deadline_->set_after(*write_idle_limit_);
  }
  return true;
}

void Stream::on_write_idle() {
  if (write_idle_count_ != nullptr) write_idle_count_->add();
  abort(StreamError::write_idle);
}

// The last thing that its callers do: whoever is woken may close the stream.
void Stream::flush_done() {
  if (write_deadline_) write_deadline_->clear();
  forget_kept();
  if (fin_wanted_ && !write_error_) send_fin();
  if (std::exchange(read_waits_flush_, false)) wake_reader_later();
  if (flush_waiter_.waiting()) return flush_waiter_.wake();
  flushed_interest_.fire();
}

Awaitable<> Stream::wait_flushed() {
  flush_waiter_.reset();
  if (!flushed()) co_await flush_waiter_.wait();
}

void Stream::on_flushed(Callback callback, void* context) { flushed_interest_ = {callback, context}; }

void Stream::shutdown_write() {
  if (fin_wanted_ || write_error_) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get())) {
    forget_openssl_errors();
    SSL_shutdown(ssl_.get());
  }
  fin_wanted_ = true;
  if (flushed()) send_fin();
}

void Stream::send_fin() {
  if (fin_sent_) return;
  fin_sent_ = true;
  ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace sluice::tls
