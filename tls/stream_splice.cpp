// Stream's way past this process's memory: from socket to socket through the worker's pipe.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

// Until it returns anything but EINTR.
ssize_t splice_some(int from, int to, std::size_t size) {
  ssize_t n;
  do {
    n = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (n < 0 && errno == EINTR);
  return n;
}

// A kind of socket that cannot be spliced, or a filter of system calls that does not know of it.
bool is_unsupported(int number) {
  return number == EINVAL || number == ENOSYS || number == EPERM || number == EACCES || number == EOPNOTSUPP;
}

}  // namespace

bool Stream::can_splice_to(const Stream& to) const noexcept {
  return !ssl_ && !to.ssl_ && !drips_ && unread_.empty() && !to.keeps_memory() && io_.splice_pipe.usable();
}

ReadResult Stream::peek(char* data, std::size_t size) {
  if (error_) return {0, error_};
  if (const ErrorCode unable = cannot_receive()) return {0, unable};
  const ssize_t got = receive_some(data, size, MSG_PEEK);
  if (got <= 0) return note_end({0, received_nothing(got)});
  return {static_cast<std::size_t>(got), {}};
}

// The socket's queue was seen to its end, so what comes next is an event, except for a FIN that came before.
Awaitable<bool> Stream::wait_for_more() {
  if (error_ || hung_up_) co_return false;
  ready_ = false;
  co_await wait_readable();
  co_return !error_;
}

std::optional<ReadResult> Stream::splice_to(Stream& to, std::size_t size) {
  if (error_) return ReadResult{0, error_};
  if (const ErrorCode unable = cannot_receive()) return ReadResult{0, unable};
  // For a peer that is slower than the sender, no more is kept than where bytes pass through memory.
  const std::size_t most = to.was_full_ ? kRelayBlock : kMostSpliced;
  const ssize_t got = splice_some(socket_.get(), io_.splice_pipe.in(), std::min(size, most));
  if (got < 0 && is_unsupported(errno)) io_.splice_pipe.give_up();
  // At urgent data splice() stops as if nothing came, or nothing ever would again, and only recv() goes past it.
  if (got == 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || !io_.splice_pipe.usable()))) return std::nullopt;
  if (got < 0) return note_end({0, received_nothing(got)});
  // Less than was asked for does not mean that nothing is left: the pipe may be full of small fragments.
  drips_ = static_cast<std::size_t>(got) < std::min(size, kDrip);
  to.transmit_spliced(static_cast<std::size_t>(got));
  return ReadResult{static_cast<std::size_t>(got), {}};
}

// Sends what is in the pipe. What the socket does not take is out of the pipe before anything else is done with it (that may throw):
// the next stream must not find it there.
void Stream::transmit_spliced(std::size_t left) {
  SplicePipe& pipe = io_.splice_pipe;
  while (left > 0 && !write_error_) {
    const ssize_t n = splice_some(pipe.out(), socket_.get(), left);
    if (n < 0 && is_unsupported(errno)) pipe.give_up();
    if (n < 0 && (!pipe.usable() || errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      send_failed(n < 0 ? errno : EPIPE);
      break;
    }
    bytes_written_ += static_cast<std::size_t>(n);
    left -= static_cast<std::size_t>(n);
  }
  if (left == 0) return;
  iovec rest{io_.scratch(), 0};
  while (rest.iov_len < left) {
    const ssize_t n = ::read(pipe.out(), io_.scratch() + rest.iov_len, left - rest.iov_len);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {  // cannot happen
      pipe.give_up();
      return abort(ErrorCode(n < 0 ? errno : EIO, std::system_category()));
    }
    rest.iov_len += static_cast<std::size_t>(n);
  }
  if (!write_error_) transmit(&rest, 1);
}
}  // namespace sluice::tls
