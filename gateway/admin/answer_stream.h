// What an answer goes on with, as it comes, when it has no end yet. Used on the control thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace sluice::admin {

class AnswerStream {
 public:
  // Whoever sends it ends it so, too, when its reader is gone.
  virtual ~AnswerStream() = default;
  // After so much time it has told all.
  virtual std::chrono::milliseconds longest() const = 0;
  // Appends what there is. Nothing: `ready` is called, once, when there is more. False: that was all.
  virtual bool take(std::string& text, std::function<void()> ready) = 0;
};

}  // namespace sluice::admin
