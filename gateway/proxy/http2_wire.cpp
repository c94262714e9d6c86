#include "gateway/proxy/http2_wire.h"

#include "gateway/proxy/connect_handshake.h"
#include "tls/stream_error.h"

namespace sluice::proxy {

using tls::StreamError;

ErrorCode Http2Wire::send_head(const http::RequestHead& request, std::string_view target, std::string_view payload, bool last,
                               const http::Headers* trailers) {
  const bool with_body = !last || !payload.empty() || trailers != nullptr;
  if (seat_.is_tunnels()) handshake_ = &request;
  stream_ = handshake_ != nullptr ? seat_->open_tunnel(request, target) : seat_->open(request, target, accepts_trailers_, with_body);
  if (!stream_) return {};  // read_head() says so
  stream_->set_write_idle(write_idle_, nullptr);
  if (handshake_ != nullptr) return {};  // what follows is the tunnel's
  if (!with_body || (payload.empty() && !last)) return {};
  return send_body(payload, last, trailers);
}

ErrorCode Http2Wire::send_body(std::string_view payload, bool last, const http::Headers* trailers) {
  return last ? stream_->write_last({payload}, trailers) : stream_->write({payload});
}

ErrorCode Http2Wire::write_error() const noexcept {
  return stream_ ? stream_->write_error() : http2::error_of(http2::Code::refused_stream);
}

HeadRead Http2Wire::read_head(http::ResponseHead& response) {
  if (!stream_) return {HeadRead::refused, http2::error_of(http2::Code::refused_stream)};
  if (std::optional<http2::Stream::Head> head = stream_->take_head()) {
    ++heads_;
    if (head->fault != http::ParseError::none) return {HeadRead::bad, {}, http::name_of(head->fault)};
    response = std::move(head->head);
    if (handshake_ != nullptr && response.status / 100 == 2) make_switch(response, handshake_->headers);
    return {HeadRead::complete};
  }
  const ErrorCode error = stream_->error();
  if (!error) return {};
  if (error == std::errc::bad_message) return {HeadRead::bad, {}, "not_http2"};
  if (error == std::errc::message_size) return {HeadRead::bad, {}, http::name_of(http::ParseError::head_too_large)};
  if (!http2::is_reset(error)) return {HeadRead::lost, error, seat_->doubt()};
  return {error == http2::error_of(http2::Code::refused_stream) ? HeadRead::refused : HeadRead::reset, error};
}

BodyRead Http2Wire::read_body(char* memory, std::size_t size) {
  const tls::ReadResult read = stream_->read_some(memory, size);
  BodyRead result{read.size, read.size, read.error, {}};
  if (read.error == StreamError::eof) result.error = {};
  return result;
}

void Http2Wire::abort(ErrorCode error) {
  if (stream_) stream_->reset(http2::Code::cancel, error);
}

}  // namespace sluice::proxy
