// A request and its response on a stream of HTTP/2. Lives in the coroutine that serves it.
#pragma once

#include "gateway/http2/stream.h"
#include "gateway/proxy/client_exchange.h"

namespace sluice::sessions {

class Http2Exchange final : public proxy::ClientExchange {
 public:
  Http2Exchange(const proxy::ConnectionInfo& connection_info, http2::StreamPtr stream, http::RequestHead head);

  proxy::BodyPiece read_body(char* memory, std::size_t size) override;
  Awaitable<> wait_body() override { return stream_->wait_readable(); }
  void interrupt_wait() override { stream_->interrupt_wait(); }
  // What follows a WebSocket handshake is the tunnel's.
  bool body_complete() const noexcept override { return opens_tunnel_ || stream_->read_to_end(); }
  const http::Headers& request_trailers() const noexcept override { return stream_->trailers(); }

  void start_response(unsigned status, std::string_view reason, http::Headers& headers, const http::BodyFraming& framing) override;
  bool take_back_response() override;
  ErrorCode flush_head() override;
  ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) override;
  ErrorCode send_interim(unsigned status, std::string_view reason, const http::Headers& headers) override;
  bool flushed() const noexcept override { return stream_->flushed(); }
  Awaitable<> wait_flushed() override { return stream_->wait_flushed(); }
  ErrorCode write_error() const noexcept override { return stream_->write_error(); }
  void break_off() override;
  void close_after() override {}  // the next request has a stream of its own
  void watch_client(tls::Duplex::Callback on_left, void* context) override { stream_->watch_end(on_left, context); }
  void stop_watching() override {
    if (stream_) stream_->stop_watching();
  }
  ErrorCode open_tunnel(http::Headers& headers) override;
  bool tunnel_by_status() const noexcept override { return opens_tunnel_; }
  tls::DuplexPtr take_stream() override { return std::move(stream_); }

 private:
  void send_head(bool with_body);

  http2::StreamPtr stream_;
  http::RequestHead request_;
  bool opens_tunnel_ = false;  // if it is accepted: it came as a CONNECT (RFC 8441)
  // Of a response that was started and has not left.
  bool head_pending_ = false;
  unsigned status_ = 0;
  http::Headers fields_;
};

}  // namespace sluice::sessions
