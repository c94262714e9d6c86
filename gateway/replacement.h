// Starts the program that takes this one's place (SIGUSR2), waits until it serves, and sees when it ends after that.
// Used by the control thread.
#pragma once

#include <array>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <functional>
#include <optional>
#include <string>

#include "gateway/control_io.h"
#include "gateway/handover.h"
#include "gateway/program.h"

namespace sluice {

class Replacement {
 public:
  // How long the new one may take until it serves.
  static constexpr std::chrono::seconds kPatience{20};
  struct Outcome {
    int pid = 0;              // of the one that serves; 0: there is none
    std::string failure;      // and why
    std::vector<int> unused;  // sockets of those that were handed over for which it has no use
  };
  using Done = std::function<void(const Outcome& outcome)>;

  Replacement(IoContext& context, Program program);
  // Ends a child that does not serve yet.
  ~Replacement() { cancel(); }

  // The child inherits what is handed over. `done` is called once, later, unless it is cancelled.
  void start(Handover handover, Done done);
  void cancel();

  // How the one that serves in this one's place has ended; told once.
  struct End {
    bool on_purpose = false;  // by a signal that asks for it, or in favour of another one
    std::string how;
  };
  std::optional<End> successors_end();
  // Once it has ended: this process goes on, and nobody else is to hear of it.
  void forget_successor();

 private:
  bool spawn(const Handover& handover);
  void await_sign();
  void give_up(const std::string& why);
  std::string end_child();
  void finish(const std::string& failure, std::vector<int> unused = {});

  Program program_;
  asio::posix::basic_stream_descriptor<Executor> sign_;  // the child's end closes when it ends
  Timer patience_;
  std::array<char, ReadySign::kMostBytes> text_;
  int pid_ = 0;        // of one that does not serve yet
  int successor_ = 0;  // of the one that does, until it has ended
  int ended_ = 0;      // one that did, and has not been waited for
  Done done_;
};

}  // namespace sluice
