#include "gateway/roll_call.h"

#include <asio/post.hpp>
#include <utility>

namespace sluice {

RollCall::RollCall(IoContext& context, std::vector<std::string> names, Told told)
    : context_(context),
      missing_(std::move(names)),
      missing_count_(missing_.size()),
      told_(std::move(told)),
      patience_(context) {}

std::shared_ptr<RollCall> RollCall::begin(IoContext& context, std::vector<std::string> names, Told told,
                                          std::chrono::milliseconds patience) {
  auto call = std::make_shared<RollCall>(context, std::move(names), std::move(told));
  call->wait(patience);
  return call;
}

void RollCall::wait(std::chrono::milliseconds patience) {
  patience_.expires_after(patience);
  patience_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
    if (cancelled || self->missing_count_ == 0) return;
    std::string silent;
    for (const std::string& name : self->missing_) {
      if (!name.empty()) silent += (silent.empty() ? "" : " and ") + name;
    }
    self->told_({self->ok_, silent});
  });
}

std::function<void(bool)> RollCall::answer_of(std::size_t index) {
  return [self = shared_from_this(), index](bool ok) {
    asio::post(self->context_, [self, index, ok] { self->take(index, ok); });
  };
}

void RollCall::take(std::size_t index, bool ok) {
  missing_[index].clear();
  ok_ = ok_ && ok;
  if (--missing_count_ > 0) return;
  patience_.cancel();
  told_({ok_, {}});
}

std::vector<std::string> worker_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("worker " + std::to_string(i));
  return names;
}

}  // namespace sluice
