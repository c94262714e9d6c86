#include "gateway/sessions/linger.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

#include "tls/deadline.h"
#include "tls/reset_on_close.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

using tls::kBytesPerTurn;
using tls::StreamError;

constexpr std::chrono::milliseconds kLinger{2000};
constexpr std::uint64_t kLingerBytes = 16 * 1024 * 1024;
// How long to wait before another look, as no event tells of what is acknowledged: most clients are a round trip away from
// having taken all, and who has not after some time may not for long.
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::milliseconds kLongestPause{250};

// Bytes that the client's system has not acknowledged, the FIN among them. None: it has all, or is gone, or has a unix socket, for
// which closing leaves nothing behind that its own limits do not bound.
int left_in_kernel(int socket) noexcept {
  int left = 0;
  if (::ioctl(socket, SIOCOUTQ, &left) != 0 || left == 0) return 0;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_state == TCP_CLOSE) return 0;
  return left;
}

// Wakes also when the stream is cut.
Awaitable<> pause(tls::Stream& stream, std::chrono::milliseconds time) {
  const auto wake = [](void* waiter) { static_cast<tls::Waiter*>(waiter)->wake(); };
  tls::Waiter waiter;
  tls::Deadline look(stream.io().wheel, wake, &waiter);
  look.set_after(time);
  stream.on_flushed(wake, &waiter);
  co_await waiter.wait();
  stream.on_flushed(nullptr, nullptr);
}

}  // namespace

Awaitable<> linger(tls::Stream& stream) {
  stream.shutdown_write();
  tls::Deadline deadline(
      stream.io().wheel, [](void* context) { static_cast<tls::Stream*>(context)->abort(StreamError::cancelled); }, &stream);
  deadline.set_after(kLinger);
  std::uint64_t discarded = 0;
  std::uint64_t turn_ends = kBytesPerTurn;
  while (discarded < kLingerBytes) {
    const tls::ReadResult read = stream.read_some(stream.io().scratch(), tls::kScratchSize);
    if (read.error == StreamError::would_block) {
      co_await stream.wait_readable();
      continue;
    }
    if (read.error) co_return;
    discarded += read.size;
    if (discarded < turn_ends) continue;
    turn_ends = discarded + kBytesPerTurn;
    co_await stream.io().loop.next_turn();
  }
}

Awaitable<> see_off(proxy::Services& services, tls::Stream& stream) {
  const config::OptionalDuration limit = services.generation->config().timeouts.client_write_idle;
  const bool cut = stream.error() == StreamError::write_idle || stream.error() == StreamError::held_limit;
  int left = !limit || cut ? 0 : left_in_kernel(stream.descriptor());
  if (left == 0) co_return;
  stream.shutdown_write();
  ::shutdown(stream.descriptor(), SHUT_RDWR);  // from here on it is reset by whatever it sends, as a closed one is
  Clock::time_point progress = Clock::now();
  for (auto time = kFirstPause; left > 0 && !services.draining; time = std::min(2 * time, kLongestPause)) {
    co_await pause(stream, time);
    const int before = std::exchange(left, left_in_kernel(stream.descriptor()));
    if (left < before) progress = Clock::now();
    if (left == 0 || Clock::now() - progress < *limit) continue;
    services.io.metrics.timeout_client_write.add();
    tls::reset_on_close(stream.descriptor());
    co_return;
  }
}

Awaitable<> see_off(proxy::Services& services, SessionSet& sessions, tls::DuplexPtr client) {
  tls::Stream& stream = *client->socket();
  const SessionEntry entry(sessions, stream, nullptr, nullptr);
  co_await see_off(services, stream);
}

}  // namespace sluice::sessions
