// An HTTP/2 connection to a backend, which many exchanges share: sends requests, and hands their responses to the streams. Used by one
// worker's thread.
#pragma once

#include "gateway/http2/carrier.h"
#include "gateway/http2/response_builder.h"
#include "gateway/http2/stream.h"

namespace sluice::http2 {

class ClientConnection final : public Carrier {
 public:
  ClientConnection(tls::StreamPtr socket, const SessionRules& rules, const ResponseLimits& limits, CarrierOwner& owner);
  // What is due still leaves, as far as the socket takes it at once.
  ~ClientConnection() override;

  // A request. Its body, if there is one, follows by the stream's write() and write_last(). Null: there is no room.
  StreamPtr open(const OutgoingRequest& request, bool with_body);
  // How many more may be under way now.
  std::size_t room() const noexcept { return ended_ ? 0 : session_.room(); }
  // How many the peer lets be under way at once; 100 before it has said so.
  std::size_t capacity() const noexcept { return session_.capacity(); }
  // Whether the peer takes an extended CONNECT (RFC 8441); nothing before its first SETTINGS have come.
  std::optional<bool> takes_extended_connect() const noexcept {
    return settings_known_ ? std::optional(session_.takes_extended_connect()) : std::nullopt;
  }
  // It has spoken HTTP/1.x where its SETTINGS should have come.
  bool answered_in_http1() const noexcept { return answered_in_http1_; }
  // It will have no room any more, whatever happens.
  bool is_leaving() const noexcept { return ended_ || session_.is_leaving(); }
  // No new requests; those under way go on, then the connection ends.
  void go_away();
  // The peer is asked for a sign of life: heard() moves when it answers.
  void ping();
  Clock::time_point heard() const noexcept { return heard_; }

 private:
  StreamState* began(StreamId) override { return nullptr; }  // we have asked for none
  bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) override;
  void head_done(StreamId id, StreamState& stream, bool trailer, bool last) override;
  void closed(StreamId id, StreamState& stream, Code code, bool by_peer) override;
  void settings_came() override;
  void pong(std::uint64_t) override {}
  void fed(std::string_view bytes) override;

  const ResponseLimits limits_;
  ResponseBuilder builder_;
  StreamId building_ = 0;  // whose head builder_ has
  Clock::time_point heard_{};
  bool leaves_ = false;
  bool settings_known_ = false;
  bool answered_in_http1_ = false;
};

}  // namespace sluice::http2
