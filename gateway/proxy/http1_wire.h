// HTTP/1.1 on a connection that the exchange has to itself. It frames what is sent and takes the framing off what comes.
#pragma once

#include "gateway/http1/body_decoder.h"
#include "gateway/http1/response_parser.h"
#include "gateway/proxy/backend_wire.h"

namespace sluice::proxy {

class Http1Wire final : public BackendWire {
 public:
  // `stream` outlives it.
  Http1Wire(tls::Stream& stream, const config::Limits& limits);

  ErrorCode send_head(const http::RequestHead& request, std::string_view target, std::string_view payload, bool last,
                      const http::Headers* trailers) override;
  ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) override {
    return send({}, payload, last, trailers);
  }
  bool flushed() const noexcept override { return stream_.flushed(); }
  Awaitable<> wait_flushed() override { return stream_.wait_flushed(); }
  ErrorCode write_error() const noexcept override { return stream_.write_error(); }

  HeadRead read_head(http::ResponseHead& response) override;
  bool silent() const noexcept override { return heads_ == 0 && partial_.empty(); }
  bool body_complete() const noexcept override { return body_->done() || ended_; }
  BodyRead read_body(char* memory, std::size_t size) override;
  std::optional<tls::ReadResult> splice_body(ClientExchange& client) override;
  const http::Headers& trailers() const noexcept override { return body_->trailers(); }
  Awaitable<> wait_readable() override { return stream_.wait_readable(); }
  void abort(ErrorCode error) override { stream_.abort(error); }

  // The response was all that came: the connection may carry another exchange, if its head allowed that.
  bool ended_cleanly() const noexcept { return body_ && body_->done() && !excess_; }

 private:
  // What is wrong with the head that `bytes` begin, for the log.
  std::string_view fault_of(http::ParseError error, std::string_view bytes) const noexcept;
  ErrorCode send(std::string_view head, std::string_view payload, bool last, const http::Headers* trailers);

  tls::Stream& stream_;
  const std::size_t max_head_;
  std::string_view method_;
  bool chunked_ = false;   // the request
  bool excess_ = false;    // more came than the response
  bool ended_ = false;     // a body that ends with its connection has
  unsigned heads_ = 0;     // that came
  http1::ResponseParser parser_;
  std::string partial_;    // what came of a head that is not complete
  std::optional<http1::BodyDecoder> body_;  // of the final response
};

}  // namespace sluice::proxy
