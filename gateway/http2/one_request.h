// One request over a connection that is for it alone, and what comes of it: for questions of the gateway itself, such as health checks.
// What a backend can make it hold and do is bounded by what it may send. Used by the thread of its stream.
#pragma once

#include <string>

#include "gateway/http2/response_builder.h"
#include "gateway/http2/session.h"
#include "tls/stream.h"

namespace sluice::http2 {

class OneRequest final : private SessionEvents, private StreamState {
 public:
  enum class Until : std::uint8_t { head, end };  // what is waited for
  static constexpr std::size_t kMostRead = 64 * 1024;  // bytes of the whole connection

  OneRequest(tls::Stream& stream, Until until);
  OneRequest(const OneRequest&) = delete;
  OneRequest& operator=(const OneRequest&) = delete;

  // Once. Tells why there is no answer; empty: there is one. Who calls bounds the time, by aborting the stream. `request` and `body`
  // outlast it.
  Awaitable<std::string> ask(const OutgoingRequest& request, std::string_view body);

  const http::ResponseHead& head() const noexcept { return head_; }
  // Of an answer that was waited for to its end. A field of the trailers is one of the head where the answer has no body.
  const std::string& body() const noexcept { return body_; }
  std::string_view trailer(std::string_view name) const noexcept;

 private:
  StreamState* began(StreamId) override { return nullptr; }
  bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) override;
  void head_done(StreamId id, StreamState& stream, bool trailer, bool last) override;
  void data(StreamId id, StreamState& stream, std::string_view bytes) override;
  void peer_ended(StreamId, StreamState&) override { ended_ = true; }
  void closed(StreamId id, StreamState& stream, Code code, bool by_peer) override;
  Due due(StreamId id, StreamState& stream, std::size_t most) override;
  void take(StreamId id, StreamState& stream, std::size_t size, std::string& out) override;
  void settings_came() override { speaks_h2_ = true; }
  void pong(std::uint64_t) override {}
  void went_away(Code, StreamId) override {}

  bool has_answer() const noexcept { return until_ == Until::head ? complete_ : ended_; }
  std::string problem() const;
  ErrorCode send();

  tls::Stream& stream_;
  const Until until_;
  std::string_view left_;  // of the body
  std::string out_;
  ResponseBuilder builder_;
  http::ResponseHead head_;
  http::Headers trailers_;
  std::size_t trailers_size_ = 0;
  std::string body_;
  bool building_ = false;
  unsigned heads_ = 0;
  bool complete_ = false;  // the final head is there
  bool ended_ = false;
  bool speaks_h2_ = false;
  std::string problem_;
  Session session_;        // last: it tells the others
};

}  // namespace sluice::http2
