// An HTTP/2 connection of a client: a Session on a socket. Reads, hands out the requests and what comes for them, gathers what all
// streams have to say in one turn of the event loop into one write, and stops reading from a client that does not read.
//
// A state machine on the socket's events: hundreds of streams share it. Whoever has something to do because of it is woken by the
// event loop. Owned by its session; its streams may outlive it. Used by one worker's thread.
#pragma once

#include "gateway/http2/carrier.h"
#include "gateway/http2/request_builder.h"
#include "gateway/http2/stream.h"
#include "metrics/http2_metrics.h"
#include "tls/held_share.h"
#include "tls/stream.h"

namespace sluice::http2 {

// A request whose head is complete.
struct Arrival {
  StreamPtr stream;
  http::RequestHead head;
  http::ParseError fault = http::ParseError::none;  // then the head is what could be understood
  Clock::time_point began{};
  std::size_t head_size = 0;  // bytes of names and values, and 32 for each field
};

class ConnectionOwner {
 public:
  virtual void request_came(Arrival arrival) = 0;
  // Something may have changed of what the owner waits for: streams(), reads_head().
  virtual void turn_ended() = 0;
  // No more requests come, nothing more is sent; all streams have been told. Last; once. `error`: why, if not in order.
  virtual void connection_ended(ErrorCode error) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection final : public Carrier, private SessionEvents {
 public:
  Connection(tls::StreamPtr socket, const SessionRules& rules, const RequestLimits& limits, metrics::Http2Metrics& metrics,
             ConnectionOwner& owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  void start();
  // No new requests; those under way go on, then the connection ends. What has been announced takes its course by itself when the client
  // has heard of it; one that does not say so has to be left.
  void announce_shutdown();
  void go_away();
  void fail(Code code);  // at once

  tls::Stream& socket() noexcept { return *socket_; }
  tls::WorkerIo& io() noexcept override { return socket_->io(); }
  std::size_t streams() const noexcept { return session_.streams(); }
  bool reads_head() const noexcept { return head_ != 0; }               // or trailers
  Clock::time_point head_began() const noexcept { return head_began_; }  // of that one, or the last
  Code fault() const noexcept { return session_.fault(); }
  metrics::Http2Violation violation() const noexcept { return session_.violation(); }

 private:
  static constexpr std::uint64_t kShutdownPing = 0x676f2061776179;
  static constexpr std::size_t kMostOut = 64 * 1024;    // of what is made before the socket has taken it
  static constexpr std::size_t kKeptOut = 4 * 1024;     // of the memory for it, while there is none
  static constexpr std::size_t kMostQueued = 500;       // frames for a client that does not read

  StreamState* began(StreamId id) override;
  bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) override;
  void head_done(StreamId id, StreamState& stream, bool trailer, bool last) override;
  void data(StreamId id, StreamState& stream, std::string_view bytes) override;
  void peer_ended(StreamId id, StreamState& stream) override;
  void closed(StreamId id, StreamState& stream, Code code, bool by_peer) override;
  Due due(StreamId id, StreamState& stream, std::size_t most) override;
  void take(StreamId id, StreamState& stream, std::size_t size, std::string& out) override;
  void settings_came() override {}
  void pong(std::uint64_t payload) override;
  void went_away(Code, StreamId) override {}

  bool add_trailer(StreamId id, Stream& stream, std::string_view name, std::string_view value);

  static void on_readable(void* connection);
  static void on_flushed(void* connection);
  static void on_turn(void* connection);
  void read();
  bool may_read() const noexcept;
  void note_head();
  void hand_out_arrivals();
  void forget_streams() noexcept;  // of the metrics
  Session& session() noexcept override { return session_; }
  void make() override;
  void flush();
  void read_on();
  void flush_later() noexcept override { next_turn_.request(); }
  void reset_later(StreamId id) override;
  std::size_t unacknowledged() const noexcept override { return socket_->unacknowledged() + out_.size(); }
  void end(ErrorCode error);

  tls::StreamPtr socket_;
  const RequestLimits limits_;
  metrics::Http2Metrics& metrics_;
  const std::size_t most_streams_;  // that are there, also those that the client has reset and that unwind
  ConnectionOwner& owner_;
  tls::NextTurn next_turn_;
  RequestBuilder builder_;
  StreamPtr building_;              // whose head is coming
  Clock::time_point building_began_{};
  std::uint64_t head_ = 0;          // Session::head_under_way(), as of the last read
  Clock::time_point head_began_{};
  tls::HeldShare head_share_;       // of the budget: what is there of a head that comes in pieces
  std::size_t head_held_ = 0;
  // Of the trailers that came last, also of those that are dropped.
  StreamId trailing_ = 0;  // whose they are
  std::size_t trailer_size_ = 0;
  std::size_t trailer_count_ = 0;
  std::vector<Arrival> arrived_;
  std::vector<StreamId> to_reset_;
  std::string out_;
  bool read_waits_ = false;         // for the socket to be flushed
  bool ended_ = false;
  enum class Leaving : std::uint8_t { no, announced, gone } leaving_ = Leaving::no;
  Session session_;                 // last: it goes first, and tells nobody
};

}  // namespace sluice::http2
