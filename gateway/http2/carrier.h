// What both sides of an HTTP/2 connection do alike: a Session on a socket, and its streams. Reads, gathers what all streams have to say in
// one turn of the event loop into one write, and stops reading from a peer that does not read. The server's side is Connection, the
// client's ClientConnection.
//
// A state machine on the socket's events: hundreds of streams share it. Whoever has something to do because of it is woken by the
// event loop. Its streams may outlive it. Used by one worker's thread.
#pragma once

#include <vector>

#include "gateway/http2/session.h"
#include "tls/stream.h"

namespace sluice::http2 {

class Stream;

class CarrierOwner {
 public:
  // Something may have changed of what the owner looks at, such as streams().
  virtual void turn_ended() = 0;
  // Nothing more is sent or read; all streams have been told. Last; once. The connection must not be destroyed in it. `error`: why, if
  // not in order.
  virtual void connection_ended(ErrorCode error) = 0;

 protected:
  ~CarrierOwner() = default;
};

class Carrier : protected SessionEvents {
 public:
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;

  void start();
  tls::Stream& socket() noexcept { return *socket_; }
  tls::WorkerIo& io() noexcept { return socket_->io(); }
  std::size_t streams() const noexcept { return session_.streams(); }

 protected:
  friend class Stream;
  static constexpr std::size_t kMostOut = 64 * 1024;  // of what is made before the socket has taken it

  Carrier(tls::StreamPtr socket, const SessionRules& rules, Role role, CarrierOwner& owner);
  virtual ~Carrier() = default;

  // What came has been handed to the session.
  virtual void fed(std::string_view bytes) = 0;
  // Before what is due in this turn is sent.
  virtual void turn_began() {}
  // Nothing more comes: what was waiting for more goes.
  virtual void let_go() noexcept {}

  void data(StreamId id, StreamState& stream, std::string_view bytes) final;
  void peer_ended(StreamId id, StreamState& stream) final;
  Due due(StreamId id, StreamState& stream, std::size_t most) final;
  void take(StreamId id, StreamState& stream, std::size_t size, std::string& out) final;
  void settings_came() override {}
  void went_away(Code, StreamId) final {}

  struct TrailerLimits {
    std::size_t bytes, fields;
  };
  // One that may be passed on is kept. False: there are too many of them. A stream has trailers once.
  bool add_trailer(StreamId id, StreamState& stream, std::string_view name, std::string_view value, const TrailerLimits& limits);

  // What the session has to say, as long as the socket takes it; it leaves in this turn of the event loop.
  void make();
  void flush_later() noexcept { next_turn_.request(); }
  // When the response is complete and has left the session, nobody needs the rest of the request (RFC 9113 8.1).
  void reset_later(StreamId id);
  // What was written to all streams and the peer's system has not acknowledged yet.
  std::size_t unacknowledged() const noexcept { return socket_->unacknowledged() + out_.size(); }

  // Bytes of bodies that have left the session, of all streams, ever.
  std::uint64_t taken() const noexcept { return taken_; }

  void add(Stream& stream) noexcept;
  void remove(Stream& stream) noexcept;
  // Every stream fails with `error`, and is on no connection any more.
  void lose_streams(ErrorCode error);

 private:
  // Of a client in one turn: 16 KiB of heads may take 200 us to unfold, and the others wait for so long. Of a backend kBytesPerTurn,
  // whose answers of 1 MiB cost 8 % less by it.
  static constexpr std::size_t kClientBytesPerTurn = 64 * 1024;
  static constexpr std::size_t kKeptOut = 4 * 1024;  // of the memory for it, while there is none
  static constexpr std::size_t kMostQueued = 500;    // frames for a peer that does not read; for a backend the library gives up at 1,000

  static void on_readable(void* carrier);
  static void on_turn(void* carrier);
  void read();
  void read_on();
  bool may_read() const noexcept;
  void flush();
  void end(ErrorCode error);

  tls::StreamPtr socket_;
  CarrierOwner& owner_;
  const std::size_t bytes_per_turn_;
  tls::NextTurn next_turn_;
  std::vector<StreamId> to_reset_;
  // Of the trailers that came last, also of those that are dropped.
  StreamId trailing_ = 0;  // whose they are
  std::size_t trailer_size_ = 0;  // names and values, and 32 bytes for each field
  std::size_t trailer_count_ = 0;
  std::size_t trailer_held_ = 0;  // that their stream has taken of max_held_bytes for them
  std::uint64_t taken_ = 0;
  bool read_waits_ = false;         // for the socket to be flushed

 protected:
  Stream* first_ = nullptr;         // the newest
  std::size_t stream_count_ = 0;
  std::string out_;
  bool ended_ = false;
  Session session_;                 // last: it goes first, and tells nobody
};

}  // namespace sluice::http2
