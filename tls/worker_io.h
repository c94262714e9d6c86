// What every stream of one worker shares. Owned by the worker, used by its thread alone (but for HeldBytes).
#pragma once

#include <array>

#include "metrics/connection_metrics.h"
#include "tls/event_loop.h"
#include "tls/held_bytes.h"
#include "tls/splice_pipe.h"
#include "tls/stalled_peers.h"

namespace sluice::tls {

inline constexpr std::size_t kScratchSize = 64 * 1024;
// Of a body at a time. The kernel keeps what is sent in pieces of 32 KiB, and two copies of that stay in a core's first cache:
// 1 MiB through 64 KiB blocks cost 475 us of CPU, through 32 KiB ones 262, through 16 KiB ones 345 (2026-11, Xeon).
inline constexpr std::size_t kRelayBlock = 32 * 1024;
// From socket to socket in one go: a message of 64 KiB with its header.
inline constexpr std::size_t kMostSpliced = kScratchSize + 64;
// Of one connection in one turn of the event loop: then the others have theirs.
inline constexpr std::size_t kBytesPerTurn = 256 * 1024;
// A head is looked for in so much at a time: what follows it is put back, and should be little.
inline constexpr std::size_t kHeadRead = 16 * 1024;

class Duplex;

struct WorkerIo {
  WorkerIo(EventLoop& event_loop, HeldBytes& held_bytes, metrics::ConnectionMetrics& connection_metrics)
      : loop(event_loop), wheel(event_loop.wheel()), held(held_bytes), metrics(connection_metrics) {}

  EventLoop& loop;
  TimerWheel& wheel;
  HeldBytes& held;
  metrics::ConnectionMetrics& metrics;
  // Bytes in `scratch` and `out` are nobody's after a co_await: read, use, write, all in one turn.
  char* scratch() noexcept { return memory_->data(); }
  SplicePipe splice_pipe;
  StalledPeers stalled;
  // Takes from the budget. When it is spent, this worker's stalled peers are cut in their order until there is enough; false
  // when it is the turn of `own`, or nobody is left. Other workers' streams are theirs alone.
  bool take_held(std::size_t size, const Duplex* own);
  void give_back_held(std::size_t size) noexcept;
  std::string out;       // for heads that are being written
  std::string joined;    // the parts of one small TLS write
  std::string records;   // TLS records of one large write, sent together

 private:
  // Reads use kScratchSize of it; what a full socket leaves in the pipe is all taken out at once.
  std::unique_ptr<std::array<char, kMostSpliced>> memory_ = std::make_unique<std::array<char, kMostSpliced>>();
};

}  // namespace sluice::tls
