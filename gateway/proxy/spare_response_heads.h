// Response heads between two uses: the memory that one exchange's fields needed serves the next. One worker's, bounded, used by
// its thread alone.
#pragma once

#include <memory>
#include <vector>

#include "gateway/http/message.h"

namespace sluice::proxy {

class SpareResponseHeads {
 public:
  struct GiveBack {
    SpareResponseHeads* owner = nullptr;
    void operator()(http::ResponseHead* head) const noexcept { owner->give_back(std::unique_ptr<http::ResponseHead>(head)); }
  };
  // Comes back by itself. Must not outlive the spares.
  using Borrowed = std::unique_ptr<http::ResponseHead, GiveBack>;

  SpareResponseHeads() { spares_.reserve(kMost); }

  Borrowed borrow() {
    if (spares_.empty()) return Borrowed(new http::ResponseHead, {this});
    Borrowed head(spares_.back().release(), {this});
    spares_.pop_back();
    return head;
  }

 private:
  static constexpr std::size_t kMost = 256;

  void give_back(std::unique_ptr<http::ResponseHead> head) noexcept {
    if (spares_.size() == kMost) return;
    head->clear();
    spares_.push_back(std::move(head));
  }

  std::vector<std::unique_ptr<http::ResponseHead>> spares_;
};

}  // namespace sluice::proxy
