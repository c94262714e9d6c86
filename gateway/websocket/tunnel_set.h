// Owns the tunnels of one worker. Used by that thread alone.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tls/duplex.h"
#include "tls/event_loop.h"

namespace sluice::websocket {

class Tunnel;
struct TranscoderOutput;

class TunnelSet {
 public:
  explicit TunnelSet(tls::EventLoop& loop);
  TunnelSet(const TunnelSet&) = delete;
  TunnelSet& operator=(const TunnelSet&) = delete;
  ~TunnelSet();

  // Gets the client's socket of a tunnel that has ended: the kernel may have something for that client. Set once, before the first tunnel.
  using SeeOff = std::function<void(tls::DuplexPtr client)>;
  void set_see_off(SeeOff see_off) { see_off_ = std::move(see_off); }

  // Takes it over and starts it.
  void add(std::unique_ptr<Tunnel> tunnel);
  // What those that leave say; without a code each has its own.
  struct Farewell {
    std::optional<std::uint16_t> code;
    std::string reason;
  };
  // Of a drain's time, how much there is for leaving: some is left for the Close of the last.
  static constexpr std::chrono::milliseconds time_to_leave(std::chrono::milliseconds drain) { return drain * 2 / 3; }
  // Lets all of them go (Tunnel::leave) within time_to_leave(`time`); those that are added later go at once.
  void leave_all(Farewell farewell, std::chrono::milliseconds time);
  // Those that are added from now on need not go. Who was told to, goes.
  void stay();
  const Farewell& farewell() const noexcept { return farewell_; }
  // Lets those go (Tunnel::leave) that belong to nothing any more.
  void leave_if(const std::function<bool(const Tunnel&)>& is_orphan);
  void visit(const std::function<void(const Tunnel&)>& visitor) const;
  // `change` may end the tunnel that it is given.
  void for_each(const std::function<void(Tunnel&)>& change);
  void cut_all();
  // Where terminated tunnels make their frames, by turns. Made when the first one asks.
  TranscoderOutput& transcoder_output();
  bool empty() const noexcept { return first_ == nullptr; }
  // Any thread.
  std::int64_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  // Goes through the tunnels over several turns of the loop, the newest first. Tunnels may end meanwhile, the one that comes next as
  // well; those that are added meanwhile are not seen.
  class Cursor {
   public:
    explicit Cursor(TunnelSet& set);
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    ~Cursor();
    Tunnel* next();  // null: there are no more

   private:
    friend class TunnelSet;
    TunnelSet* set_;  // null: it is gone
    Tunnel* at_;
    Cursor* other_;  // of the set
  };

 private:
  friend class Tunnel;
  // From the tunnel, when it has ended: destroys it once its own functions have returned.
  void remove(Tunnel& tunnel);
  void see_off(tls::DuplexPtr client);

  tls::NextTurn bury_;
  std::vector<std::unique_ptr<Tunnel>> ended_;
  Tunnel* first_ = nullptr;
  Cursor* cursors_ = nullptr;
  std::atomic<std::int64_t> size_{0};
  Farewell farewell_;
  bool all_leave_ = false;
  std::unique_ptr<TranscoderOutput> transcoder_output_;
  SeeOff see_off_;
};

}  // namespace sluice::websocket
