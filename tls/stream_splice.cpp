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
bool is_unsupported(int number) { return number == EINVAL || number == ENOSYS || number == EPERM; }

}  // namespace

bool Stream::can_splice_to(const Stream& to) const noexcept {
  return !ssl_ && !to.ssl_ && unread_.empty() && to.overflow_.empty() && io_.splice_pipe.usable();
}

ReadResult Stream::peek(char* data, std::size_t size) {
  if (error_) return {0, error_};
  if (const ErrorCode unable = cannot_receive()) return {0, unable};
  const ssize_t got = receive_some(data, size, MSG_PEEK);
  if (got <= 0) return note_end({0, received_nothing(got)});
  return {static_cast<std::size_t>(got), {}};
}

ReadResult Stream::splice_to(Stream& to, std::size_t size) {
  if (error_) return {0, error_};
  if (const ErrorCode unable = cannot_receive()) return {0, unable};
  // For a peer that is slower than the sender, no more is kept than where bytes pass through memory.
  const std::size_t most = to.was_full_ ? kRelayBlock : kMostSpliced;
  const ssize_t got = splice_some(socket_.get(), io_.splice_pipe.in(), std::min(size, most));
  if (got < 0 && is_unsupported(errno)) {
    io_.splice_pipe.give_up();
    return {0, StreamError::would_block};  // still readable: the caller comes again at once, and reads
  }
  // Less than was asked for does not mean that nothing is left: the pipe may be full of small fragments.
  if (got <= 0) return note_end({0, received_nothing(got)});
  to.transmit_spliced(static_cast<std::size_t>(got));
  return {static_cast<std::size_t>(got), {}};
}

// Sends what is in the pipe. What the socket does not take leaves it as any other write does, so that it is free for the next
// stream.
void Stream::transmit_spliced(std::size_t left) {
  while (left > 0 && !write_error_) {
    const ssize_t n = splice_some(io_.splice_pipe.out(), socket_.get(), left);
    if (n < 0 && is_unsupported(errno)) io_.splice_pipe.give_up();
    if (n < 0 && (!io_.splice_pipe.usable() || errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      send_failed(n < 0 ? errno : EPIPE);
      break;
    }
    bytes_written_ += static_cast<std::size_t>(n);
    left -= static_cast<std::size_t>(n);
  }
  while (left > 0) {
    iovec part{io_.scratch(), std::min(left, kScratchSize)};
    const ssize_t n = ::read(io_.splice_pipe.out(), part.iov_base, part.iov_len);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {  // cannot happen; nobody else may find those bytes
      io_.splice_pipe.give_up();
      return abort(ErrorCode(n < 0 ? errno : EIO, std::system_category()));
    }
    part.iov_len = static_cast<std::size_t>(n);
    left -= part.iov_len;
    if (!write_error_) transmit(&part, 1);
  }
}
}  // namespace sluice::tls
