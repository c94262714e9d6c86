// HTTP/2 on a stream of a connection that other exchanges use as well. The handshake of a WebSocket goes as an extended CONNECT (RFC 8441),
// and what accepts it comes as a 101.
#pragma once

#include "gateway/proxy/backend_wire.h"
#include "gateway/proxy/http2_link.h"

namespace sluice::proxy {

class Http2Wire final : public BackendWire {
 public:
  // `write_idle`: how long the backend may take no bytes. `accepts_trailers`: the client has said that it does.
  Http2Wire(LinkSeat seat, config::OptionalDuration write_idle, bool accepts_trailers)
      : seat_(std::move(seat)), write_idle_(write_idle), accepts_trailers_(accepts_trailers) {}

  ErrorCode send_head(const http::RequestHead& request, std::string_view target, std::string_view payload, bool last,
                      const http::Headers* trailers) override;
  ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) override;
  bool flushed() const noexcept override { return !stream_ || stream_->flushed(); }
  Awaitable<> wait_flushed() override { return stream_->wait_flushed(); }
  ErrorCode write_error() const noexcept override;

  HeadRead read_head(http::ResponseHead& response) override;
  bool silent() const noexcept override { return heads_ == 0; }
  bool body_complete() const noexcept override { return stream_->read_to_end(); }
  BodyRead read_body(char* memory, std::size_t size) override;
  const http::Headers& trailers() const noexcept override { return stream_->trailers(); }
  Awaitable<> wait_readable() override { return stream_->wait_readable(); }
  void abort(ErrorCode error) override;

  // It was refused, so others are not to be sent this way for a moment.
  void spare_link() noexcept {
    if (stream_) seat_->refused(seat_.is_tunnels());
  }

  // Of a request that a 101 has answered.
  http2::StreamPtr take_stream() noexcept { return std::move(stream_); }
  LinkSeat take_seat() noexcept { return std::move(seat_); }

 private:
  LinkSeat seat_;
  const config::OptionalDuration write_idle_;
  const bool accepts_trailers_;
  const http::RequestHead* handshake_ = nullptr;  // that was sent, if the request is one
  http2::StreamPtr stream_;  // null: not begun, or the link had no room
  unsigned heads_ = 0;       // that came
};

}  // namespace sluice::proxy
