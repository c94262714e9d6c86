// An established WebSocket pair: carries bytes both ways between a client and a backend, with back-pressure and half-close, and
// knows where frames begin and end, so that it can count, see idleness, put a Close of its own in between, and keep each side from
// what the other must not send: of a frame that breaks a rule nothing passes.
//
// A state machine on the streams' events, not a coroutine: tunnels live for days in their thousands, and this is all that one
// costs while it is idle. It owns both streams. It is owned by its worker's TunnelSet and used by that thread alone.
// It is handed values and its route's cells on this worker, so that no configuration stays in memory because of it.
#pragma once

#include <memory>
#include <random>

#include "gateway/websocket/rate_meter.h"
#include "gateway/websocket/socket_facts.h"
#include "gateway/websocket/tunnel_rules.h"
#include "gateway/websocket/tunnel_tap.h"
#include "metrics/websocket_metrics.h"
#include "tls/deadline.h"
#include "tls/duplex.h"

namespace sluice::websocket {

using metrics::Party;

struct DirectionTotals {
  std::uint64_t frames = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // on the wire
};

struct TunnelSummary {
  std::chrono::milliseconds duration{0};
  DirectionTotals to_client, to_upstream;
  unsigned close_code = 0;  // of the first Close; 0: none was seen
  Party close_initiator = Party::gateway;  // who said Close first, or without one went first
  std::string close_reason;                // of the gateway's own Close, if that was the first
  Violation violation = Violation::none;   // the first one, also of a limit that is only observed
  Party violator = Party::client;          // who did it
  bool outlived = false;                   // max_lifetime, which was only observed
  ErrorCode failure;        // how a connection was lost; unset: both ended in order
};

// What somebody who sends tunnels away says to both sides.
struct Dismissal {
  std::uint16_t code = kGoingAway;
  std::string reason;
};

// Whether somebody may look at what passes.
enum class TapOutcome : std::uint8_t { begun, off, taken, ended };

// Told once, when the tunnel has ended; gauges and leases that it holds end with it.
class TunnelObserver {
 public:
  virtual ~TunnelObserver() = default;
  virtual void tunnel_ended(const TunnelSummary& summary) = 0;
};

class TunnelSet;
struct Translation;
struct TextInspection;

class Tunnel {
 public:
  Tunnel(tls::DuplexPtr client, tls::DuplexPtr upstream, TunnelOpening opening, metrics::WebSocketMetrics& metrics,
         std::unique_ptr<TunnelObserver> observer);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel();

  // Begins to carry. Called once by the set, which then owns it.
  void start(TunnelSet& owner);
  // Five ways to end it from outside, from the gentlest to the rudest. Those that plan it close it at a moment by chance, so that many
  // that are told together are spread.
  //
  // Plans to close it with rules.leave_code, or what the set's farewell says, within rules.leave_within and `most`: its route or its
  // endpoint is gone, or the gateway drains.
  void leave(std::chrono::milliseconds most = std::chrono::milliseconds::max());
  // Plans the same within `within`, so that its client comes back to another endpoint; stay() calls that off. False: it leaves anyway;
  // there was nothing to call off.
  bool move(std::chrono::milliseconds within);
  bool stay();
  // Plans to close it with the operator's words within `within`, or sooner if it was to leave sooner. False: it is closing already.
  bool dismiss(std::shared_ptr<const Dismissal> dismissal, std::chrono::milliseconds within);
  // Closes it now: a Close on a frame boundary to each side that has not had one, then waits for the peers' Closes for at most `grace`.
  void close(std::uint16_t code, std::string_view reason, std::chrono::milliseconds grace);
  // Ends it now, without a Close.
  void cut();
  // From now on `queue` gets the frames that pass, until somebody leaves it or the tunnel ends. One at a time.
  TapOutcome begin_tap(std::shared_ptr<TapQueue> queue);
  config::Tap may_show() const noexcept { return rules().tap; }

  // Which route and endpoint it belongs to: to be compared, not looked into.
  const metrics::WebSocketMetrics* route() const noexcept { return &metrics_; }
  const void* endpoint() const noexcept { return opening_.endpoint; }
  SocketFacts facts(Clock::time_point now) const;

 private:
  friend class TunnelSet;

  struct Direction {
    Tunnel* tunnel = nullptr;
    tls::Duplex* from = nullptr;
    tls::Duplex* to = nullptr;
    Direction* other = nullptr;
    metrics::WebSocketMetrics::Direction* metrics = nullptr;
    Party sender = Party::client;
    FrameWalker walker;
    KeepAlive alive{};              // of the sender
    std::string held{};             // the beginning of a header or a Close whose rest is still to come: it has not passed
    std::unique_ptr<Translation> translation{};  // of a terminated tunnel
    std::unique_ptr<TextInspection> inspection{};  // of another one, with validate_utf8
    std::uint64_t bytes = 0;        // that were read
    std::uint64_t put_back = 0;     // of them, those that were to be read again
    RateMeter lately{};
    std::uint16_t close_code = 0;   // of our own Close to the receiver; 0: we give none
    bool ended = false;       // the sender's end was seen and passed on
    bool own_close = false;   // our Close was put in: nothing of the sender's follows it
    bool receiver_gone = false;  // nothing can be sent to it; what it said before is still read
    bool close_waits = false; // our Close to the receiver: for the answers that are under way
    bool paused = false;      // the receiver takes no more: the sender has to wait
    bool owes_pong = false;   // the sender has a Ping of the other side to answer
  };

  // After both sides have said Close, the connections have this long to end by themselves.
  static constexpr std::chrono::milliseconds kCloseGrace{5000};
  // A client that broke a rule may have answers under way to what it sent before; without a gateway in between it would have them. So the
  // backend is told to go once it has been quiet for a moment, and then has some time to finish.
  static constexpr std::chrono::milliseconds kAnswersPause{40};
  static constexpr std::chrono::milliseconds kAnswersWithin{1000};
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  const TunnelRules& rules() const noexcept { return *opening_.rules; }
  void finish();
  // The receiver has a Close, and nothing that it has not taken: its end is in order, also where it has been passed on already.
  static bool told(const Direction& direction) noexcept {
    return (direction.own_close || direction.walker.close_seen()) && !direction.ended && direction.to->flushed();
  }
  static std::mt19937& random_numbers();
  static std::optional<std::uint32_t> mask_for(Party receiver);

  // tunnel_carry.cpp: bytes from one side to the other.
  static void on_event(void* direction);
  void pump(Direction& direction);
  bool may_read(Direction& direction);
  void pause(Direction& direction);
  void resume(Direction& direction);
  bool carry_once(Direction& direction);  // false: nothing more now, or the tunnel has ended
  std::optional<tls::ReadResult> splice_large(Direction& direction);
  tls::ReadResult read_behind_held(Direction& direction, char* to);
  void forward(Direction& direction, std::string_view bytes);
  std::size_t pass_frames(Direction& direction, std::string_view bytes);
  static std::size_t look_through(Direction& direction, std::string_view bytes);
  std::size_t pass(Direction& direction, std::string_view bytes);  // how much of it passed, or was told to be wrong
  void put_back(Direction& direction, std::string_view rest);
  void show(const Direction& direction, std::string_view bytes);
  void account(Direction& direction, const FrameCounts& before);
  void account_control_frames(Direction& direction, const FrameCounts& before);

  // tunnel_translate.cpp: the two WebSockets of a terminated tunnel.
  void terminate(const Terminated& terminated);
  std::size_t translate(Direction& direction, std::string_view bytes);
  void answer_pings(Direction& direction, std::string_view pongs, std::string_view last);
  void put_due_pong(Direction& direction);
  void give_back_memory();

  // tunnel_inspect.cpp: text that passes as it is.
  std::string_view inspect(Direction& direction, std::string_view bytes);  // what of it may pass

  // tunnel_limits.cpp: how much a client may send, and how little take.
  std::size_t room_for(const Direction& direction) const noexcept;
  void allow_messages(Direction& direction);
  void charge_messages(Direction& direction);
  bool over_rate(Direction& direction);
  void wait_for_rate(Direction& direction, std::string_view rest);
  void go_on_after_rate();
  void client_is_slow();
  bool may_drop() const noexcept { return !opening_.reserved_bits.any && opening_.reserved_bits.allowed == 0; }

  // tunnel_close.cpp: how it ends.
  // Whether a frame of our own may go to the receiver now. Of a frame that breaks a rule it has got nothing.
  static bool at_boundary(const Direction& direction) noexcept {
    return direction.translation || direction.walker.violation() != Violation::none || direction.walker.at_boundary();
  }
  bool close_due(const Direction& direction) const noexcept;
  void note_close(Direction& direction);
  void note_violation(Party violator, Violation violation);
  void refuse(Party violator, Violation violation);
  void begin_close(std::uint16_t to_client, std::uint16_t to_upstream, std::string_view reason, std::chrono::milliseconds grace);
  void put_close(Direction& direction);
  bool wait_for_answers();
  void more_answers_or_not();
  void tell_backend();
  void answers_came();
  void sender_ended(Direction& direction);
  void lost(Party party, const ErrorCode& error);
  void cannot_send(Direction& direction, const ErrorCode& error);
  void note_gone(Party party);
  bool finished() const noexcept;

  // tunnel_times.cpp: what happens at a time.
  void on_time();
  bool end_in_time(Clock::time_point now);
  void watch();
  std::optional<std::chrono::milliseconds> quiet_limit() const noexcept;
  Clock::time_point quiet_ends() const noexcept;
  Clock::time_point lifetime_ends() const noexcept;
  Clock::time_point gives_back_memory_at() const noexcept;
  void choose_departure(std::chrono::milliseconds within);

  // tunnel_alive.cpp: whether both sides are still there.
  void begin_asking();
  bool still_there(Direction& direction, Clock::time_point now);
  // Whether the gateway lets the sender wait: bytes of it may be there.
  bool is_waiting(const Direction& direction) const noexcept {
    return direction.paused || (direction.sender == Party::client && delayed_till_ != kNever) || direction.from->readable_now();
  }
  void ask(Direction& direction, const SignsOfLife& signs, Clock::time_point now);
  void vanished(Direction& direction);
  void pong_came(Direction& direction);
  metrics::WebSocketMetrics::Peer& metrics_of(Party party) noexcept { return party == Party::client ? metrics_.client : metrics_.upstream; }

  tls::DuplexPtr client_;
  tls::DuplexPtr upstream_;
  metrics::WebSocketMetrics& metrics_;
  std::unique_ptr<TunnelObserver> observer_;
  TunnelSet* owner_ = nullptr;
  Direction to_upstream_;
  Direction to_client_;
  const TunnelOpening opening_;
  std::unique_ptr<TunnelTap> tap_;  // null: nobody looks
  Clock::time_point opened_ = Clock::now();
  Clock::time_point last_data_ = opened_;
  Clock::time_point leaves_at_ = kNever;  // kNever: it stays
  bool moves_ = false;             // leaves_at_ is of move()
  bool outlived_ = false;          // max_lifetime, which is only observed
  std::shared_ptr<const Dismissal> dismissal_;  // null: it leaves with what its set or its rules say
  Clock::time_point slow_at_ = kNever;     // when the client has been without room for too long
  Clock::time_point delayed_till_ = kNever;  // not kNever: the client's messages wait for it
  MessageRate rate_;
  std::uint32_t granted_ = 0;  // messages of this read
  Clock::time_point answers_end_{};  // until when the backend is not told to go
  std::uint64_t answers_seen_ = 0;   // bytes of it when that was looked at last
  tls::Deadline deadline_;      // idleness, or when it leaves; once closing, the grace time
  bool closing_ = false;        // both sides said Close, or we do: nothing but the end is awaited
  std::string close_reason_;           // of our own Close
  unsigned first_close_code_ = 0;
  Party first_closer_ = Party::gateway;
  Violation violation_ = Violation::none;
  Party violator_ = Party::client;
  ErrorCode failure_;
  metrics::GaugeHold open_;
  bool done_ = false;
  Tunnel* previous_ = nullptr;  // in the set
  Tunnel* next_ = nullptr;
};

}  // namespace sluice::websocket
