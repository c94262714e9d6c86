// Starts the program that takes this one's place (SIGUSR2), and waits until it serves. Used by the control thread.
#pragma once

#include <asio/posix/basic_stream_descriptor.hpp>
#include <functional>
#include <string>

#include "gateway/control_io.h"
#include "gateway/handover.h"
#include "gateway/program.h"

namespace sluice {

class Replacement {
 public:
  // How long the new one may take until it serves.
  static constexpr std::chrono::seconds kPatience{20};
  // `pid` of the one that serves; 0: there is none, and `failure` tells why.
  using Done = std::function<void(int pid, const std::string& failure)>;

  Replacement(IoContext& context, Program program);
  // Ends a child that does not serve yet.
  ~Replacement() { cancel(); }

  bool under_way() const noexcept { return pid_ != 0; }
  // The child inherits what is handed over. `done` is called once, later, unless it is cancelled.
  void start(Handover handover, Done done);
  void cancel();

 private:
  bool spawn(const Handover& handover);
  void await_sign();
  void give_up(const std::string& why);
  std::string end_child();
  void finish(const std::string& failure);

  Program program_;
  asio::posix::basic_stream_descriptor<Executor> sign_;  // the child's end closes when it ends
  Timer patience_;
  char byte_ = 0;
  int pid_ = 0;
  Done done_;
};

}  // namespace sluice
