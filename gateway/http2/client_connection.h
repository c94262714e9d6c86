// An HTTP/2 connection to a backend: a Session of the client's side on a socket. Sends requests, hands their responses to the
// streams, and gathers what all streams have to say in one turn of the event loop into one write.
//
// A state machine on the socket's events: many exchanges share it. Its streams may outlive it. Used by one worker's thread.
#pragma once

#include "gateway/http2/carrier.h"
#include "gateway/http2/response_builder.h"
#include "gateway/http2/stream.h"
#include "tls/stream.h"

namespace sluice::http2 {

class ClientConnectionOwner {
 public:
  // Something may have changed of what the owner looks at: streams(), room(), heard().
  virtual void turn_ended() = 0;
  // Nothing more is sent or read; all streams have been told. Last; once. The connection must not be destroyed in it. `error`: why, if
  // not in order.
  virtual void connection_ended(ErrorCode error) = 0;

 protected:
  ~ClientConnectionOwner() = default;
};

class ClientConnection final : public Carrier, private SessionEvents {
 public:
  ClientConnection(tls::StreamPtr socket, const SessionRules& rules, const ResponseLimits& limits, ClientConnectionOwner& owner);
  // What is due still leaves, as far as the socket takes it at once.
  ~ClientConnection() override;

  void start();
  // A request. Its body, if there is one, follows by the stream's write() and write_last(). Null: there is no room.
  StreamPtr open(const OutgoingRequest& request, bool with_body);
  // How many more may be under way now.
  std::size_t room() const noexcept { return ended_ ? 0 : session_.room(); }
  std::size_t streams() const noexcept { return session_.streams(); }
  // It will have no room any more, whatever happens.
  bool is_leaving() const noexcept { return ended_ || session_.is_leaving(); }
  // No new requests; those under way go on, then the connection ends.
  void go_away();
  // The peer is asked for a sign of life: heard() moves when it answers.
  void ping();
  Clock::time_point heard() const noexcept { return heard_; }

  tls::Stream& socket() noexcept { return *socket_; }
  tls::WorkerIo& io() noexcept override { return socket_->io(); }

 private:
  static constexpr std::size_t kMostOut = 64 * 1024;  // of what is made before the socket has taken it
  static constexpr std::size_t kKeptOut = 4 * 1024;   // of the memory for it, while there is none
  static constexpr std::size_t kMostQueued = 500;     // frames for a peer that does not read; the library gives up at 1,000 answers to it
  static constexpr std::size_t kMostHeads = 33;       // of one response, that nobody has looked at yet

  StreamState* began(StreamId) override { return nullptr; }  // we have asked for none
  bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) override;
  void head_done(StreamId id, StreamState& stream, bool trailer, bool last) override;
  void data(StreamId id, StreamState& stream, std::string_view bytes) override;
  void peer_ended(StreamId id, StreamState& stream) override;
  void closed(StreamId id, StreamState& stream, Code code, bool by_peer) override;
  Due due(StreamId id, StreamState& stream, std::size_t most) override;
  void take(StreamId id, StreamState& stream, std::size_t size, std::string& out) override;
  void settings_came() override {}
  void pong(std::uint64_t) override {}
  void went_away(Code, StreamId) override {}

  Session& session() noexcept override { return session_; }
  void make() override;
  void flush_later() noexcept override { next_turn_.request(); }
  void reset_later(StreamId) override {}  // only a server is done before its peer is
  std::size_t unacknowledged() const noexcept override { return socket_->unacknowledged() + out_.size(); }

  static void on_readable(void* connection);
  static void on_flushed(void* connection);
  static void on_turn(void* connection);
  void read();
  void read_on();
  bool may_read() const noexcept;
  void flush();
  void end(ErrorCode error);

  tls::StreamPtr socket_;
  const ResponseLimits limits_;
  ClientConnectionOwner& owner_;
  tls::NextTurn next_turn_;
  ResponseBuilder builder_;
  StreamId building_ = 0;      // whose head builder_ has
  StreamId trailing_ = 0;      // whose trailers came last; of those, also what is dropped:
  std::size_t trailer_size_ = 0;
  std::size_t trailer_count_ = 0;
  Clock::time_point heard_{};
  std::string out_;
  bool read_waits_ = false;    // for the socket to be flushed
  bool leaves_ = false;
  bool ended_ = false;
  Session session_;            // last: it goes first, and tells nobody
};

}  // namespace sluice::http2
