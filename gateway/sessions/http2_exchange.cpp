#include "gateway/sessions/http2_exchange.h"

#include <cassert>

#include "gateway/sessions/extended_connect.h"
#include "tls/stream_error.h"

namespace sluice::sessions {

Http2Exchange::Http2Exchange(const proxy::ConnectionInfo& connection_info, http2::StreamPtr stream, http::RequestHead head)
    : ClientExchange(connection_info, request_), stream_(std::move(stream)), request_(std::move(head)) {
  if (!asks_for_websocket(request_)) return;
  make_upgrade(request_);
  opens_tunnel_ = true;
}

proxy::BodyPiece Http2Exchange::read_body(char* memory, std::size_t size) {
  proxy::BodyPiece piece;
  const tls::ReadResult read = stream_->read_some(memory, size);
  piece.data = {memory, read.size};
  piece.wire = read.size;
  piece.last = stream_->read_to_end();
  piece.would_block = read.error == tls::StreamError::would_block;
  piece.client_left = read.error && !piece.last && !piece.would_block;
  return piece;
}

void Http2Exchange::start_response(unsigned status, std::string_view, http::Headers& headers, const http::BodyFraming& framing) {
  assert(!(opens_tunnel_ && status / 100 == 2) && "that would be a tunnel");
  if (framing.kind == http::BodyKind::length) headers.set("Content-Length", std::to_string(framing.content_length));
  status_ = status;
  fields_.clear();
  for (const http::Field& field : headers) fields_.add(field.name, field.value);
  head_pending_ = response_started_ = true;
}

bool Http2Exchange::take_back_response() {
  if (!head_pending_) return false;
  head_pending_ = response_started_ = false;
  return true;
}

void Http2Exchange::send_head(bool with_body) {
  if (!std::exchange(head_pending_, false)) return;
  stream_->respond(status_, fields_, with_body);
  fields_.clear();
}

ErrorCode Http2Exchange::flush_head() {
  send_head(true);
  return stream_->write_error();
}

ErrorCode Http2Exchange::send_body(std::string_view payload, bool last, const http::Headers* trailers) {
  const bool nothing = last && payload.empty() && (trailers == nullptr || trailers->empty());
  send_head(!nothing);
  return last ? stream_->write_last({payload}, trailers) : stream_->write({payload});
}

ErrorCode Http2Exchange::send_interim(unsigned status, std::string_view, const http::Headers& headers) {
  stream_->inform(status, headers);
  return stream_->write_error();
}

ErrorCode Http2Exchange::open_tunnel(http::Headers& headers) {
  response_started_ = true;
  remove_upgrade_answer(headers);
  stream_->open_tunnel(headers);
  return stream_->write_error();
}

// A tunnel that could not be made has its stream already, and has let go of it.
void Http2Exchange::break_off() {
  if (stream_) stream_->reset(http2::Code::internal_error, tls::StreamError::cancelled);
}

}  // namespace sluice::sessions
