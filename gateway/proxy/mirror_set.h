// The copies that are on their way to mirrors from one worker, so that they can be cut: a drain does not wait for them. Used by that
// thread alone.
#pragma once

namespace sluice::proxy {

class MirrorExchange;

class MirrorSet {
 public:
  void cut_all();

 private:
  friend class MirrorExchange;
  MirrorExchange* first_ = nullptr;
};

}  // namespace sluice::proxy
