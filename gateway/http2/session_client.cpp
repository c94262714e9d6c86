// The client's side of a session.
#include "gateway/http2/nghttp2_handles.h"
#include "gateway/http2/request_fields.h"
#include "gateway/http2/session.h"
#include "gateway/http2/session_callbacks.h"

namespace sluice::http2 {

bool Session::waits(StreamId id) const noexcept {
  return !ended_ && role_ == Role::client && id > last_opened_ && id != not_begun_;
}

std::size_t Session::capacity() const noexcept {
  return nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

std::size_t Session::room() const noexcept {
  const std::size_t most = is_leaving() ? 0 : capacity();
  return most > streams_ ? most - streams_ : 0;
}

bool Session::takes_extended_connect() const noexcept {
  return nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

StreamId Session::next_id() const noexcept {
  const std::uint32_t next = nghttp2_session_get_next_stream_id(session_.get());
  return next < 1U << 31 ? static_cast<StreamId>(next) : 0;
}

// The library would keep it until the peer has room for it, and only then tell that it is closed.
bool Session::take_back(StreamId id) {
  if (!waits(id) || find(id) != nullptr || nghttp2_session_set_stream_user_data(session_.get(), id, nullptr) != 0) return false;
  reset(id, Code::cancel);
  --streams_;
  return true;
}

bool Session::open(const OutgoingRequest& request, StreamState& stream, bool with_body) {
  if (room() == 0) return false;
  nghttp2_data_provider provider{};
  provider.read_callback = SessionCallbacks::read_body;
  const auto& fields = request_fields(request);
  const StreamId id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                             with_body ? &provider : nullptr, &stream);
  if (id < 0) {
    heed(id);
    return false;
  }
  ++streams_;
  return true;
}

}  // namespace sluice::http2
