#include "gateway/http2/one_request.h"

#include <algorithm>

#include "gateway/http/interim.h"
#include "tls/stream_error.h"

namespace sluice::http2 {
namespace {

constexpr ResponseLimits kLimits{16 * 1024, 100};
constexpr std::size_t kMostOut = 64 * 1024;

}  // namespace

OneRequest::OneRequest(tls::Stream& stream, Until until) : stream_(stream), until_(until), session_({}, *this, Role::client) {}

Awaitable<std::string> OneRequest::ask(const OutgoingRequest& request, std::string_view body) {
  left_ = body;
  session_.open(request, *this, !body.empty());
  std::size_t came = 0;
  for (;;) {
    if (const ErrorCode error = send()) co_return error.message();
    if (has_answer() || !problem_.empty() || session_.over()) break;
    if (came > kMostRead) co_return "more than " + std::to_string(kMostRead) + " bytes";
    const tls::ReadResult read = stream_.read_some(stream_.io().scratch(), tls::kHeadRead);
    if (read.error == tls::StreamError::would_block) {
      co_await stream_.wait_readable();
    } else if (read.error) {
      co_return "closed without an answer (" + read.error.message() + (speaks_h2_ ? ")" : "); does it speak HTTP/2?");
    } else {
      came += read.size;
      session_.feed({stream_.io().scratch(), read.size});
    }
  }
  std::string wrong = problem();
  session_.go_away();
  send();  // as far as it goes: the answer is there
  co_return wrong;
}

// To a peer that does not read, nothing but the request, which was the first. What it sends meanwhile is bounded.
ErrorCode OneRequest::send() {
  if (!stream_.flushed()) return {};
  session_.produce(out_, kMostOut);
  if (out_.empty()) return {};
  const ErrorCode error = stream_.write({out_});
  out_.clear();
  return error;
}

std::string OneRequest::problem() const {
  if (!problem_.empty()) return problem_;
  if (has_answer()) return {};
  const std::string fault(name_of(session_.fault()));
  return speaks_h2_ ? "no valid answer: " + fault : "does not speak HTTP/2 (" + fault + ")";
}

std::string_view OneRequest::trailer(std::string_view name) const noexcept {
  return (trailers_.empty() && body_.empty() ? head_.headers : trailers_).find(name).value_or(std::string_view());
}

// ---- what the session tells ------------------------------------------------------------------------------------------

bool OneRequest::field(StreamId, StreamState&, std::string_view name, std::string_view value, bool trailer) {
  if (!trailer) {
    if (!std::exchange(building_, true)) builder_.begin(kLimits);
    return builder_.add(name, value);
  }
  trailers_size_ += ResponseBuilder::size_of(name, value);
  if (trailers_size_ > kLimits.max_header_list) return false;
  trailers_.add(name, value);
  return true;
}

void OneRequest::head_done(StreamId id, StreamState&, bool trailer, bool) {
  building_ = false;
  if (trailer) return;
  head_.clear();
  const http::ParseError fault = builder_.finish(head_, false);
  if (fault != http::ParseError::none) {
    problem_ = "no valid answer: " + std::string(http::name_of(fault));
  } else if (++heads_ > http::kMaxHeads) {
    problem_ = "too many 1xx";
  } else {
    complete_ = head_.status >= 200;
  }
  if (!problem_.empty()) session_.reset(id, Code::cancel);
}

// The windows stay as they are: what may come is bounded by less.
void OneRequest::data(StreamId, StreamState&, std::string_view bytes) { body_.append(bytes); }

void OneRequest::closed(StreamId, StreamState&, Code code, bool by_peer) {
  if (has_answer() || !problem_.empty()) return;
  const bool told = by_peer || code == Code::refused_stream;  // by a GOAWAY as well
  problem_ = (told ? "reset by the endpoint: " : "no valid answer: ") + std::string(name_of(code));
}

Due OneRequest::due(StreamId, StreamState&, std::size_t most) {
  const std::size_t size = std::min(most, left_.size());
  return {size, size == left_.size(), nullptr};
}

void OneRequest::take(StreamId, StreamState&, std::size_t size, std::string& out) {
  out.append(left_.substr(0, size));
  left_.remove_prefix(size);
}

}  // namespace sluice::http2
