// Owns the tunnels of one worker. Used by that thread alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tls/event_loop.h"

namespace sluice::websocket {

class Tunnel;

class TunnelSet {
 public:
  explicit TunnelSet(tls::EventLoop& loop);
  TunnelSet(const TunnelSet&) = delete;
  TunnelSet& operator=(const TunnelSet&) = delete;
  ~TunnelSet();

  // Takes it over and starts it.
  void add(std::unique_ptr<Tunnel> tunnel);
  // Closes all of them politely, waiting for each at most `grace`; those that are added later share what is left of it.
  void close_all(std::uint16_t code, std::string_view reason, std::chrono::milliseconds grace);
  // Lets those go (Tunnel::leave) that belong to nothing any more.
  void leave_if(const std::function<bool(const Tunnel&)>& is_orphan);
  void cut_all();
  bool empty() const noexcept { return first_ == nullptr; }

 private:
  friend class Tunnel;
  // From the tunnel, when it has ended: destroys it once its own functions have returned.
  void remove(Tunnel& tunnel);

  tls::NextTurn bury_;
  std::vector<std::unique_ptr<Tunnel>> ended_;
  Tunnel* first_ = nullptr;
  std::uint16_t closing_code_ = 0;  // 0: not closing
  std::string closing_reason_;
  Clock::time_point closing_ends_{};
};

}  // namespace sluice::websocket
