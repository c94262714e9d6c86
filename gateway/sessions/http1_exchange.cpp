#include "gateway/sessions/http1_exchange.h"

#include "gateway/http1/serializer.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

// What one unusually large head needed is not kept on a connection that may be idle for long.
constexpr std::size_t kKeptBytes = 4096;

// In one line, also beside the Upgrade of a 426.
void add_connection_option(http::Headers& headers, std::string_view option) {
  const std::optional<std::string_view> others = headers.find("Connection");
  if (!others) return headers.add_view("Connection", option);
  headers.set("Connection", std::string(*others).append(", ").append(option));
}

}  // namespace

void Http1Exchange::reset() {
  request_.clear();
  record = {};
  route = nullptr;
  generation.reset();
  body_ = http1::BodyDecoder(http::BodyFraming{});  // with the trailers: the connection may be idle for long
  if (pending_head_.capacity() > kKeptBytes) std::string().swap(pending_head_);  // clearing keeps the memory
  pending_head_.clear();
  response_started_ = response_done_ = chunked_response_ = ends_by_close_ = false;
  keep_alive_ = true;
}

void Http1Exchange::begin() {
  body_ = http1::BodyDecoder(request_.body, generation->config().limits.max_request_head);
  keep_alive_ = request_.keep_alive;
}

proxy::BodyPiece Http1Exchange::read_body(char* memory, std::size_t size) {
  proxy::BodyPiece piece;
  while (!body_.done()) {
    const tls::ReadResult read = stream_->read_some(memory, size);
    if (read.error) {
      piece.would_block = read.error == tls::StreamError::would_block;
      piece.client_left = !piece.would_block;
      return piece;
    }
    const http1::DecodeResult decoded = body_.decode(memory, read.size);
    piece.wire += decoded.consumed;
    piece.error = decoded.error;
    if (decoded.error != http::ParseError::none) return piece;
    stream_->unread({memory + decoded.consumed, read.size - decoded.consumed});  // the next request
    piece.data = {memory, decoded.payload};
    if (decoded.payload > 0 || piece.wire >= tls::kScratchSize) break;
  }
  piece.last = body_.done();
  return piece;
}

void Http1Exchange::start_response(unsigned status, std::string_view reason, http::Headers& headers,
                                   const http::BodyFraming& framing) {
  const bool old_client = request_.version == http::Version::http_1_0;
  const bool unframed = framing.kind == http::BodyKind::chunked || framing.kind == http::BodyKind::until_close;
  chunked_response_ = unframed && !old_client;
  ends_by_close_ = unframed && old_client;
  // A response that overtakes its request leaves the connection out of step.
  if (ends_by_close_ || draining_ || !body_.done()) keep_alive_ = false;
  if (chunked_response_) headers.add_view("Transfer-Encoding", "chunked");
  if (framing.kind == http::BodyKind::length) headers.set("Content-Length", std::to_string(framing.content_length));
  if (!keep_alive_) add_connection_option(headers, "close");
  if (keep_alive_ && old_client) add_connection_option(headers, "keep-alive");
  pending_head_.clear();
  http1::append_response_head(pending_head_, status, reason, headers);
  response_started_ = true;
}

bool Http1Exchange::take_back_response() {
  if (!response_started_ || pending_head_.empty()) return false;
  pending_head_.clear();
  response_started_ = chunked_response_ = ends_by_close_ = false;
  return true;
}

ErrorCode Http1Exchange::flush_head() {
  if (pending_head_.empty()) return {};
  const ErrorCode error = stream_->write({pending_head_});
  pending_head_.clear();
  return error;
}

ErrorCode Http1Exchange::send_body(std::string_view payload, bool last, const http::Headers* trailers) {
  if (last) response_done_ = true;
  char room[http1::kChunkHeadRoom];
  std::string_view chunk_head, chunk_end;
  std::string last_chunk;
  if (chunked_response_ && !payload.empty()) {
    const std::size_t size = http1::write_chunk_head(room, payload.size());
    chunk_head = {room + sizeof room - size, size};
    chunk_end = http1::kChunkEnd;
  }
  if (chunked_response_ && last) {
    static const http::Headers kNone;
    http1::append_last_chunk(last_chunk, trailers != nullptr ? *trailers : kNone);
  }
  const ErrorCode error = stream_->write({pending_head_, chunk_head, payload, chunk_end, last_chunk});
  pending_head_.clear();
  return error;
}

std::optional<tls::ReadResult> Http1Exchange::splice_body(tls::Stream& from, std::size_t size) {
  if (chunked_response_ || !pending_head_.empty() || !from.can_splice_to(*stream_)) return {};
  return from.splice_to(*stream_, size);
}

ErrorCode Http1Exchange::send_interim(unsigned status, std::string_view reason, const http::Headers& headers) {
  if (request_.version == http::Version::http_1_0) return {};  // RFC 9110 15.2: they do not know of 1xx
  std::string head;
  http1::append_response_head(head, status, reason, headers);
  return stream_->write({head});
}

void Http1Exchange::break_off() {
  broken_ = true;
  keep_alive_ = false;
}

ErrorCode Http1Exchange::open_tunnel(http::Headers& headers) {
  response_started_ = true;
  headers.add_view("Connection", "Upgrade");
  headers.add_view("Upgrade", "websocket");
  std::string head;
  http1::append_response_head(head, 101, "Switching Protocols", headers);
  return stream_->write({head});
}

}  // namespace sluice::sessions
