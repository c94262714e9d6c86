// Waits until all threads that were asked for something have answered, for a bounded time: one whose loop does not turn
// must stop neither reloads nor upgrades. Made and told of on the control thread; answers come from any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/control_io.h"

namespace sluice {

class RollCall : public std::enable_shared_from_this<RollCall> {
 public:
  // A thread that is silent for so long is stuck, by /healthz as well.
  static constexpr std::chrono::milliseconds kPatience{5000};

  struct Outcome {
    bool ok = true;      // none of them answered with false
    std::string silent;  // who has not answered; empty: all have
  };
  // Called when all have answered. Should that take longer than the patience, it is called then, with the silent ones,
  // and once more when the last has answered after all.
  using Told = std::function<void(const Outcome& outcome)>;

  static std::shared_ptr<RollCall> begin(IoContext& context, std::vector<std::string> names, Told told,
                                         std::chrono::milliseconds patience = kPatience);
  // What the one of that index is to call, once, on whatever thread.
  std::function<void(bool ok)> answer_of(std::size_t index);

  RollCall(IoContext& context, std::vector<std::string> names, Told told);  // for begin()

 private:
  void wait(std::chrono::milliseconds patience);
  void take(std::size_t index, bool ok);

  IoContext& context_;
  std::vector<std::string> missing_;  // emptied one by one
  std::size_t missing_count_;
  bool ok_ = true;
  const Told told_;
  Timer patience_;
};

// "worker 0", "worker 1"...: as messages call them.
std::vector<std::string> worker_names(std::size_t count);

}  // namespace sluice
