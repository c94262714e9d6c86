#include "gateway/sessions/linger.h"

#include "tls/deadline.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

using tls::kBytesPerTurn;
using tls::StreamError;

constexpr std::chrono::milliseconds kLinger{2000};
constexpr std::uint64_t kLingerBytes = 16 * 1024 * 1024;

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

}  // namespace sluice::sessions
