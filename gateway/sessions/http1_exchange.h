// A request and its response over HTTP/1.1 or 1.0: frames and unframes bodies on a client stream. One object serves all requests of
// a connection, one after the other. Used by the session's coroutine and thread.
#pragma once

#include "gateway/http1/body_decoder.h"
#include "gateway/proxy/client_exchange.h"

namespace sluice::sessions {

class Http1Exchange final : public proxy::ClientExchange {
 public:
  // `draining` is looked at when a response begins: its client is told then that the connection will close.
  Http1Exchange(const proxy::ConnectionInfo& connection_info, tls::StreamPtr stream, const bool& draining)
      : ClientExchange(connection_info, request_), stream_(std::move(stream)), draining_(draining) {}

  tls::Stream& stream() noexcept { return *stream_; }
  http::RequestHead& head() noexcept { return request_; }
  // Before a head is read.
  void reset();
  // After a head was read; the generation is set.
  void begin();
  // Whether the connection can carry another request.
  bool reusable() const noexcept { return keep_alive_ && !broken_ && response_done_ && body_.done(); }
  bool broken() const noexcept { return broken_; }
  // The response's end can only be told by the end of the connection.
  bool ends_by_close() const noexcept { return ends_by_close_; }

  proxy::BodyPiece read_body(char* memory, std::size_t size) override;
  Awaitable<> wait_body() override { return stream_->wait_readable(); }
  void interrupt_wait() override { stream_->interrupt_wait(); }
  bool body_complete() const noexcept override { return body_.done(); }
  const http::Headers& request_trailers() const noexcept override { return body_.trailers(); }

  void start_response(unsigned status, std::string_view reason, http::Headers& headers,
                      const http::BodyFraming& framing) override;
  bool take_back_response() override;
  ErrorCode flush_head() override;
  ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) override;
  std::optional<tls::ReadResult> splice_body(tls::Stream& from, std::size_t size) override;
  ErrorCode send_interim(unsigned status, std::string_view reason, const http::Headers& headers) override;
  bool flushed() const noexcept override { return stream_->flushed(); }
  Awaitable<> wait_flushed() override { return stream_->wait_flushed(); }
  ErrorCode write_error() const noexcept override { return stream_->write_error(); }
  void break_off() override;
  void close_after() override { keep_alive_ = false; }
  void watch_client(tls::Stream::Callback on_left, void* context) override { stream_->watch_end(on_left, context); }
  void stop_watching() override {
    if (stream_) stream_->stop_watching();
  }
  ErrorCode open_tunnel(http::Headers& headers) override;
  tls::DuplexPtr take_stream() override { return std::move(stream_); }

 private:
  tls::StreamPtr stream_;
  const bool& draining_;
  http::RequestHead request_;
  http1::BodyDecoder body_{http::BodyFraming{}};
  std::string pending_head_;     // made, not sent yet
  bool keep_alive_ = true;
  bool chunked_response_ = false;
  bool ends_by_close_ = false;
  bool response_done_ = false;
  bool broken_ = false;
};

}  // namespace sluice::sessions
