#include "gateway/http2/session_callbacks.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "gateway/http2/response_fields.h"

namespace sluice::http2 {
namespace {

constexpr std::size_t kFrameHeader = 9;
constexpr std::size_t kUpdatedStream = 4;   // of a PRIORITY_UPDATE: whose priority it is
constexpr std::size_t kMostOfUpdate = 256;

Session& session_of(void* user_data) noexcept { return *static_cast<Session*>(user_data); }

StreamState* state_of(nghttp2_session* library, StreamId id) noexcept {
  return static_cast<StreamState*>(nghttp2_session_get_stream_user_data(library, id));
}

std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(data), size};
}

std::uint64_t number_of(const std::uint8_t (&bytes)[8]) noexcept {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

bool ends_stream(const nghttp2_frame& frame) noexcept {
  return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

// What an event throws can only be for want of memory; the session ends with it.
template <class Work>
int guarded(Work work) noexcept {
  try {
    return work();
  } catch (...) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
}

// Of an error that the library has found.
metrics::Http2Violation violation_of(Code code) noexcept {
  using metrics::Http2Violation;
  switch (code) {
    case Code::flow_control_error:
      return Http2Violation::flow_control;
    case Code::stream_closed:
      return Http2Violation::closed_stream;
    case Code::frame_size_error:
      return Http2Violation::frame_size;
    case Code::compression_error:
      return Http2Violation::compression;
    case Code::internal_error:
      return Http2Violation::none;
    default:
      return Http2Violation::protocol;
  }
}

// Those with which a stream is reset that the peer has done something wrong on, or opened in vain.
bool is_fault_of_peer(Code code) noexcept {
  return code == Code::protocol_error || code == Code::flow_control_error || code == Code::stream_closed ||
         code == Code::frame_size_error || code == Code::refused_stream;
}

// Whether the client has begun more requests than it may have at once, which it knew. The library calls it an error of the protocol like
// others: but of heads that begin a request (of which there is no stream then) it finds no other in a number that a client may use, unless
// the request is to depend on itself.
bool is_over_the_bound(nghttp2_session* library, const nghttp2_frame& frame, int error) noexcept {
  if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST || error != NGHTTP2_ERR_PROTO) return false;
  const StreamId id = frame.hd.stream_id;
  return id % 2 == 1 && frame.headers.pri_spec.stream_id != id && nghttp2_session_get_stream_remote_close(library, id) < 0;
}

// The stream of the head that is being read is given up with this code; the rest of the head is decoded and
// dropped.
int give_up(nghttp2_session* library, StreamId id, Code code) noexcept {
  const int error =
      nghttp2_submit_rst_stream(library, NGHTTP2_FLAG_NONE, id, static_cast<std::uint32_t>(code));
  return error == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : NGHTTP2_ERR_CALLBACK_FAILURE;
}

}  // namespace

const nghttp2_session_callbacks* SessionCallbacks::of_session() {
  // No callback for invalid fields: only without one does the library reset the streams that bring them.
  static const CallbacksHandle handle = [] {
    CallbacksHandle made = make_callbacks();
    nghttp2_session_callbacks_set_on_begin_frame_callback(made.get(), on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made.get(), on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made.get(), on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made.get(), on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made.get(), on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(made.get(), on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made.get(), on_invalid_frame);
    nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(made.get(), on_extension_chunk);
    nghttp2_session_callbacks_set_unpack_extension_callback(made.get(), unpack_extension);
    nghttp2_session_callbacks_set_on_frame_send_callback(made.get(), on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made.get(), on_frame_not_send);
    nghttp2_session_callbacks_set_send_data_callback(made.get(), send_data);
    return made;
  }();
  return handle.get();
}

int SessionCallbacks::on_begin_frame(nghttp2_session* library, const nghttp2_frame_hd* header, void* user_data) {
  if (header->type == NGHTTP2_SETTINGS) {
    session_of(user_data).queued_before_settings_ = nghttp2_session_get_outbound_queue_size(library);
  }
  session_of(user_data).priority_update_.clear();
  return 0;
}

int SessionCallbacks::on_invalid_frame(nghttp2_session* library, const nghttp2_frame* frame, int error, void* user_data) {
  if (is_over_the_bound(library, *frame, error)) session_of(user_data).violation_ = metrics::Http2Violation::max_concurrent_streams;
  return 0;
}

// Of a PRIORITY_UPDATE, the only extension that the library is told of. What is longer than any such value needs is not looked at.
int SessionCallbacks::on_extension_chunk(nghttp2_session*, const nghttp2_frame_hd*, const std::uint8_t* data, std::size_t size,
                                         void* user_data) {
  return guarded([&] {
    std::string& update = session_of(user_data).priority_update_;
    update.append(text_of(data, std::min(size, kMostOfUpdate - update.size())));
    return 0;
  });
}

// on_frame_recv() is called then.
int SessionCallbacks::unpack_extension(nghttp2_session*, void** payload, const nghttp2_frame_hd*, void*) {
  *payload = nullptr;
  return 0;
}

// RFC 9218 7.1. Nobody is ever pushed to, so that no even stream can be meant.
void SessionCallbacks::priority_updated(Session& session, const nghttp2_frame_hd& header) {
  const std::string_view update = session.priority_update_;
  if (header.length < kUpdatedStream) return session.blame(metrics::Http2Violation::frame_size, Code::frame_size_error);
  std::uint32_t number = 0;
  for (const char byte : update.substr(0, kUpdatedStream)) number = number << 8 | static_cast<std::uint8_t>(byte);
  const auto id = static_cast<StreamId>(number & 0x7FFFFFFFU);
  if (session.role_ == Role::client || header.stream_id != 0 || id % 2 == 0)
    return session.blame(metrics::Http2Violation::protocol, Code::protocol_error);
  const Priority priority = parse_priority(update.substr(kUpdatedStream));
  session.priorities_.add(id, priority);
  if (session.find(id) != nullptr) session.prioritize(id, priority);
}

int SessionCallbacks::on_begin_headers(nghttp2_session* library, const nghttp2_frame* frame,
                                       void* user_data) {
  Session& session = session_of(user_data);
  if (session.role_ == Role::client) {
    return frame->hd.type == NGHTTP2_PUSH_PROMISE ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;  // we have forbidden it
  }
  if (frame->headers.cat == NGHTTP2_HCAT_HEADERS) return 0;
  return guarded([&] {
    const StreamId id = frame->hd.stream_id;
    StreamState* const state = session.events_.began(id);
    if (state == nullptr) return give_up(library, id, Code::refused_stream);
    ++session.streams_;
    return nghttp2_session_set_stream_user_data(library, id, state);
  });
}

int SessionCallbacks::on_header(nghttp2_session* library, const nghttp2_frame* frame,
                                const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                                std::size_t value_size, std::uint8_t, void* user_data) {
  return guarded([&] {
    const StreamId id = frame->hd.stream_id;
    StreamState* const state = state_of(library, id);
    if (state == nullptr) return 0;
    Session& session = session_of(user_data);
    const std::string_view key = text_of(name, name_size), text = text_of(value, value_size);
    if (key == ":status") state->interim_ = text.front() == '1';
    if (session.events_.field(id, *state, key, text, is_trailer(session, *state, *frame))) return 0;
    if (session.role_ == Role::server) session.reset_for_fault();
    return give_up(library, id, Code::enhance_your_calm);
  });
}

int SessionCallbacks::on_frame_recv(nghttp2_session* library, const nghttp2_frame* frame, void* user_data) {
  Session& session = session_of(user_data);
  SessionEvents& events = session.events_;
  const bool acknowledges = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
  return guarded([&] {
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        head_received(session, *frame);
        break;
      case NGHTTP2_DATA:
        if (StreamState* const state = state_of(library, frame->hd.stream_id);
            state != nullptr && ends_stream(*frame)) {
          events.peer_ended(frame->hd.stream_id, *state);
        }
        break;
      case NGHTTP2_RST_STREAM:
        session.reset_by_peer_ = frame->hd.stream_id;
        break;
      case NGHTTP2_SETTINGS:
        if (acknowledges) break;
        if (session.role_ == Role::server) settings_received(session);
        events.settings_came();
        break;
      case NGHTTP2_PING:
        if (acknowledges) events.pong(number_of(frame->ping.opaque_data));
        break;
      case NGHTTP2_GOAWAY:
        session.away_ = true;
        events.went_away(static_cast<Code>(frame->goaway.error_code), frame->goaway.last_stream_id);
        break;
      case NGHTTP2_PRIORITY_UPDATE:
        priority_updated(session, frame->hd);
        break;
      default:
        break;
    }
    return 0;
  });
}

// A window that the new initial size makes too large is an error of the connection (RFC 9113 6.9.2). 1.52 resets the streams that have one,
// and queues nothing else for this frame but its acknowledgement.
void SessionCallbacks::settings_received(Session& session) {
  if (session.queued() <= session.queued_before_settings_ + 1) return;
  session.blame(metrics::Http2Violation::flow_control, Code::flow_control_error);
}

// The final head of a response comes in the same kind of frame as trailers where one with 1xx came before.
bool SessionCallbacks::is_trailer(const Session& session, const StreamState& state, const nghttp2_frame& frame) noexcept {
  return session.role_ == Role::client ? state.answered_ : frame.headers.cat == NGHTTP2_HCAT_HEADERS;
}

void SessionCallbacks::head_received(Session& session, const nghttp2_frame& frame) {
  const StreamId id = frame.hd.stream_id;
  StreamState* const state = session.find(id);
  if (state == nullptr) return;
  const bool trailer = is_trailer(session, *state, frame);
  if (session.role_ == Role::client) {
    state->answered_ = !state->interim_;
  } else if (!trailer) {
    // By RFC 9218 a stream that says nothing waits for those before it to end: one long answer would stop all
    // others. What the request's own `priority` field says is applied after this.
    session.prioritize(id, session.priorities_.find(id).value_or(Priority{.incremental = true}));
  }
  session.events_.head_done(id, *state, trailer, ends_stream(frame));
  if (ends_stream(frame)) session.events_.peer_ended(id, *state);
}

int SessionCallbacks::on_data_chunk_recv(nghttp2_session* library, std::uint8_t, StreamId id,
                                         const std::uint8_t* data, std::size_t size, void* user_data) {
  return guarded([&] {
    if (const int error = nghttp2_session_consume_connection(library, size); error != 0) return error;
    if (StreamState* const state = state_of(library, id))
      session_of(user_data).events_.data(id, *state, text_of(data, size));
    return 0;
  });
}

int SessionCallbacks::on_stream_close(nghttp2_session* library, StreamId id, std::uint32_t code,
                                      void* user_data) {
  StreamState* const state = state_of(library, id);
  if (state == nullptr) return 0;
  return guarded([&] {
    Session& session = session_of(user_data);
    --session.streams_;
    const Code why = session.not_begun_ == id ? Code::refused_stream : static_cast<Code>(code);
    session.events_.closed(id, *state, why, session.reset_by_peer_ == id);
    return 0;
  });
}

int SessionCallbacks::on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  Session& session = session_of(user_data);
  const StreamId id = frame->hd.stream_id;
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    goaway_sent(session, static_cast<Code>(frame->goaway.error_code));
    return 0;
  }
  if (session.role_ == Role::client) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) session.last_opened_ = id;
    return 0;
  }
  switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
      session.guard_.finished(id);
      if (is_fault_of_peer(static_cast<Code>(frame->rst_stream.error_code))) session.reset_for_fault();
      return 0;
    case NGHTTP2_DATA:
      session.guard_.data_sent();
      break;
    case NGHTTP2_HEADERS:
      break;
    default:
      return 0;
  }
  if (ends_stream(*frame)) session.guard_.finished(id);
  return 0;
}

void SessionCallbacks::goaway_sent(Session& session, Code code) {
  if (code == Code::no_error) {
    if (session.shutdown_ping_) session.ping(*std::exchange(session.shutdown_ping_, std::nullopt));
    return;
  }
  session.fault_ = code;
  if (!session.failed_ && session.violation_ == metrics::Http2Violation::none) session.violation_ = violation_of(code);
}

int SessionCallbacks::on_frame_not_send(nghttp2_session* library, const nghttp2_frame* frame, int error,
                                        void* user_data) {
  Session& session = session_of(user_data);
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {  // the library closes the stream now
    if (error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED) session.not_begun_ = frame->hd.stream_id;
    return 0;
  }
  // A head of ours that is too large. Other errors are of streams that are being closed.
  if (frame->hd.type != NGHTTP2_HEADERS || error != NGHTTP2_ERR_FRAME_SIZE_ERROR) return 0;
  if (state_of(library, frame->hd.stream_id) != nullptr)
    session.reset(frame->hd.stream_id, Code::internal_error);
  return 0;
}

ssize_t SessionCallbacks::read_body(nghttp2_session* library, StreamId id, std::uint8_t*, std::size_t most,
                                    std::uint32_t* flags, nghttp2_data_source*, void* user_data) {
  Session& session = session_of(user_data);
  if (session.out_->size() >= session.most_) return NGHTTP2_ERR_PAUSE;
  Due due;
  const int error = guarded([&] {
    StreamState* const state = state_of(library, id);
    if (state == nullptr) return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
    due = session.events_.due(id, *state, most);
    if (!due.last || due.trailers == nullptr || due.trailers->empty()) return 0;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const auto& fields = trailer_fields(*due.trailers);
    return nghttp2_submit_trailer(library, id, fields.data(), fields.size());
  });
  if (error != 0) return error;
  assert(due.size <= most);
  if (due.size == 0 && !due.last) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (due.last) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(due.size);
}

int SessionCallbacks::send_data(nghttp2_session* library, nghttp2_frame* frame, const std::uint8_t* header,
                                std::size_t size, nghttp2_data_source*, void* user_data) {
  Session& session = session_of(user_data);
  std::string& out = *session.out_;
  const std::size_t before = out.size();
  const int error = guarded([&] {
    out.reserve(before + kFrameHeader + size);
    out.append(text_of(header, kFrameHeader));
    const StreamId id = frame->hd.stream_id;
    if (size != 0) session.events_.take(id, *state_of(library, id), size, out);
    assert(out.size() == before + kFrameHeader + size);
    return 0;
  });
  if (error != 0) out.resize(before);  // no half of a frame
  return error;
}

}  // namespace sluice::http2
