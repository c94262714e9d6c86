// An HTTP/2 connection of a client: hands out the requests and what comes for them. Owned by its session. Used by one worker's thread.
#pragma once

#include "gateway/http2/carrier.h"
#include "gateway/http2/request_builder.h"
#include "gateway/http2/stream.h"
#include "metrics/http2_metrics.h"
#include "tls/held_share.h"

namespace sluice::http2 {

// A request whose head is complete.
struct Arrival {
  StreamPtr stream;
  http::RequestHead head;
  http::ParseError fault = http::ParseError::none;  // then the head is what could be understood
  Clock::time_point began{};
  std::size_t head_size = 0;  // bytes of names and values, and 32 for each field
};

class ConnectionOwner : public CarrierOwner {
 public:
  virtual void request_came(Arrival arrival) = 0;
  // The client went over a bound with one request, which is reset; the connection goes on. From within the session.
  virtual void request_violated(metrics::Http2Violation violation) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection final : public Carrier {
 public:
  Connection(tls::StreamPtr socket, const SessionRules& rules, const RequestLimits& limits, metrics::Http2Metrics& metrics,
             ConnectionOwner& owner);
  ~Connection() override;

  // No new requests; those under way go on, then the connection ends. What has been announced takes its course by itself when the client
  // has heard of it; one that does not say so has to be left.
  void announce_shutdown();
  void go_away();
  void fail(Code code);  // at once

  bool reads_head() const noexcept { return head_ != 0; }               // or trailers
  Clock::time_point head_began() const noexcept { return head_began_; }  // of that one, or the last
  metrics::Http2Violation violation() const noexcept { return session_.violation(); }

 private:
  static constexpr std::uint64_t kShutdownPing = 0x676f2061776179;
  // Requests that begin in one turn: with large heads each takes 0.1 ms, and the others wait for all of them.
  static constexpr std::size_t kArrivalsPerTurn = 16;

  StreamState* began(StreamId id) override;
  bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) override;
  void head_done(StreamId id, StreamState& stream, bool trailer, bool last) override;
  void closed(StreamId id, StreamState& stream, Code code, bool by_peer) override;
  void pong(std::uint64_t payload) override;
  void fed(std::string_view bytes) override;
  void turn_began() override;
  void let_go() noexcept override;
  void forget_streams() noexcept;  // of the metrics

  const RequestLimits limits_;
  metrics::Http2Metrics& metrics_;
  const std::size_t most_streams_;  // that are there, also those that the client has reset and that unwind
  ConnectionOwner& owner_;
  RequestBuilder builder_;
  StreamPtr building_;              // whose head is coming
  Clock::time_point building_began_{};
  std::uint64_t head_ = 0;          // Session::head_under_way(), as of the last read
  Clock::time_point head_began_{};
  tls::HeldShare head_share_;       // of the budget: what is there of a head that comes in pieces
  std::size_t head_held_ = 0;
  std::vector<Arrival> arrived_;
  enum class Leaving : std::uint8_t { no, announced, gone } leaving_ = Leaving::no;
};

}  // namespace sluice::http2
