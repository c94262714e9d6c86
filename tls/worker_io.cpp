#include "tls/worker_io.h"

#include "tls/duplex.h"

namespace sluice::tls {

bool WorkerIo::take_held(std::size_t size, const Duplex* own) {
  while (!held.take(size)) {
    Duplex* const first = stalled.first_to_cut();
    if (first == nullptr || first == own || !held.could_take(size)) return false;
    first->cut_for_others();
  }
  metrics.held_bytes.add(static_cast<std::int64_t>(size));
  return true;
}

void WorkerIo::give_back_held(std::size_t size) noexcept {
  held.give_back(size);
  metrics.held_bytes.add(-static_cast<std::int64_t>(size));
}

}  // namespace sluice::tls
