// A pipe through which bytes go from one socket to another past this process's memory (splice(2)). It is empty between two
// calls of Stream::splice_to(), so that all streams of a worker share one. Owned by WorkerIo, used by its thread alone.
#pragma once

#include "tls/descriptor.h"

namespace sluice::tls {

class SplicePipe {
 public:
  SplicePipe() noexcept;

  // False: there were no descriptors left for it, or the system turned out not to splice; bytes are copied then.
  bool usable() const noexcept { return usable_; }
  void give_up() noexcept { usable_ = false; }
  int in() const noexcept { return in_.get(); }
  int out() const noexcept { return out_.get(); }

 private:
  Descriptor in_;
  Descriptor out_;
  bool usable_ = false;
};

}  // namespace sluice::tls
