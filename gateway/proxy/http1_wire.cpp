#include "gateway/proxy/http1_wire.h"

#include "gateway/http1/serializer.h"
#include "gateway/http2/first_bytes.h"
#include "tls/stream_error.h"

namespace sluice::proxy {
namespace {

using tls::StreamError;

// A response's body is spliced while so much of it is left, all but the tail.
constexpr std::uint64_t kSplicedFrom = 64 * 1024;
constexpr std::uint64_t kSplicedTail = 16 * 1024;

}  // namespace

Http1Wire::Http1Wire(tls::Stream& stream, const config::Limits& limits)
    : stream_(stream),
      max_head_(limits.max_request_head),
      parser_({limits.max_request_line, limits.max_request_head, limits.max_headers}) {}

ErrorCode Http1Wire::send_head(const http::RequestHead& request, std::string_view target, std::string_view payload, bool last,
                               const http::Headers* trailers) {
  method_ = request.method;
  chunked_ = request.body.kind == http::BodyKind::chunked;
  std::string& head = stream_.io().out;
  head.clear();
  http1::append_request_head(head, method_, target, request.headers);
  return send(head, payload, last, trailers);
}

ErrorCode Http1Wire::send(std::string_view head, std::string_view payload, bool last, const http::Headers* trailers) {
  if (!chunked_) return stream_.write({head, payload});
  char room[http1::kChunkHeadRoom];
  std::string_view chunk_head, chunk_end;
  if (!payload.empty()) {
    const std::size_t size = http1::write_chunk_head(room, payload.size());
    chunk_head = {room + sizeof room - size, size};
    chunk_end = http1::kChunkEnd;
  }
  std::string last_chunk;
  if (last) {
    static const http::Headers kNone;
    http1::append_last_chunk(last_chunk, trailers != nullptr ? *trailers : kNone);
  }
  return stream_.write({head, chunk_head, payload, chunk_end, last_chunk});
}

std::string_view Http1Wire::fault_of(http::ParseError error, std::string_view bytes) const noexcept {
  if (heads_ > 0 || !http2::begin_http2(bytes)) return http::name_of(error);
  return stream_.is_tls() ? "it answered in HTTP/2, which was not agreed on" : "it answered in HTTP/2; set protocol: h2";
}

HeadRead Http1Wire::read_head(http::ResponseHead& response) {
  char* const scratch = stream_.io().scratch();
  for (;;) {
    const tls::ReadResult read = stream_.read_some(scratch, tls::kHeadRead);
    if (read.error == StreamError::would_block) return {};
    if (read.error) return {HeadRead::lost, read.error};
    std::string_view bytes(scratch, read.size);
    if (!partial_.empty()) bytes = partial_.append(bytes);
    const http1::HeadResult head = parser_.parse(bytes, method_, response);
    if (head.state == http1::HeadResult::failed) return {HeadRead::bad, {}, fault_of(head.error, bytes)};
    if (head.state == http1::HeadResult::incomplete) {
      if (partial_.empty()) partial_.assign(bytes);
      continue;
    }
    stream_.unread(bytes.substr(head.consumed));
    ++heads_;
    if (response.status >= 200) {
      body_.emplace(response.body, max_head_);
    } else {
      partial_.clear();
      parser_.reset();
    }
    return {HeadRead::complete};
  }
}

BodyRead Http1Wire::read_body(char* memory, std::size_t size) {
  BodyRead result;
  const tls::ReadResult read = stream_.read_some(memory, size);
  if (read.error) {
    ended_ = read.error == StreamError::eof && body_->complete_at_end();
    if (!ended_) result.error = read.error;
    return result;
  }
  const http1::DecodeResult decoded = body_->decode(memory, read.size);
  if (decoded.error != http::ParseError::none) {
    result.fault = http::name_of(decoded.error);
    return result;
  }
  excess_ = decoded.consumed < read.size;
  result.payload = decoded.payload;
  result.wire = read.size;
  return result;
}

// The middle of a large body: its end goes the other way, which also ends the response.
std::optional<tls::ReadResult> Http1Wire::splice_body(ClientExchange& client) {
  const std::uint64_t ahead = body_->payload_ahead();
  if (ahead < kSplicedFrom) return {};
  const std::optional<tls::ReadResult> spliced = client.splice_body(stream_, static_cast<std::size_t>(ahead - kSplicedTail));
  if (spliced && !spliced->error) body_->pass_unseen(spliced->size);
  return spliced;
}

}  // namespace sluice::proxy
