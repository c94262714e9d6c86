#include "tls/splice_pipe.h"

#include <fcntl.h>

namespace sluice::tls {
namespace {

// A pipe has a place for every page that is asked for here, and each holds one fragment: of a network card that is one
// packet's 1.4 KB, so the usual 16 places would be full after 23 KB.
constexpr int kSize = 64 * 4096;

}  // namespace

SplicePipe::SplicePipe() noexcept {
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return;
  out_ = Descriptor(ends[0]);
  in_ = Descriptor(ends[1]);
  usable_ = true;
  ::fcntl(in_.get(), F_SETPIPE_SZ, kSize);  // where the user has no more pages for pipes, it is as large as it was
}

}  // namespace sluice::tls
