// Lets somebody at the admin listener look at what passes through one WebSocket. The control thread's.
#pragma once

#include <memory>

#include "gateway/collect_sockets.h"

namespace sluice {

// How many look at once: each costs the tunnel that is looked at, and a place at the admin listener.
class TapPlaces {
 public:
  static constexpr int kMost = 4;
  // Null: all are taken. Given back when the last copy goes.
  std::shared_ptr<void> take();

 private:
  const std::shared_ptr<int> taken_ = std::make_shared<int>(0);
};

// The answer goes on until the WebSocket ends, the reader leaves, or the time is over.
void tap_socket(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, TapPlaces& places, const admin::SocketRequest& request,
                AdminDone done);

}  // namespace sluice
