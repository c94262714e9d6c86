#include "gateway/http2/session.h"

#include <cassert>
#include <iterator>
#include <new>

#include "gateway/http2/nghttp2_handles.h"
#include "gateway/http2/response_fields.h"
#include "gateway/http2/session_callbacks.h"

namespace sluice::http2 {
namespace {

// Out of reach of clients: FrameGuard counts CONTINUATION frames (1.52 counts one again for each piece in which its header comes), resets,
// and what makes the library answer. Towards backends the library's own bounds hold.
constexpr std::uint64_t kNoLimit = 1ULL << 30;
constexpr std::uint16_t kSpareContinuations = 4;
constexpr std::size_t kMaxSettings = 32;  // in one frame
constexpr std::size_t kContinuations = 64;  // of one head of a backend's
constexpr std::int32_t kConnectionWindow = 1024 * 1024;

OptionHandle options_for(const SessionRules& rules, Role role) {
  OptionHandle option = make_option();
  nghttp2_option_set_no_auto_window_update(option.get(), 1);
  nghttp2_option_set_max_settings(option.get(), kMaxSettings);
  nghttp2_option_set_max_send_header_block_length(option.get(), rules.max_sent_head);
  nghttp2_option_set_user_recv_extension_type(option.get(), NGHTTP2_PRIORITY_UPDATE);
  if (role == Role::client) {
    nghttp2_option_set_max_continuations(option.get(), kContinuations);
    return option;
  }
  nghttp2_option_set_max_continuations(option.get(), kNoLimit);
  nghttp2_option_set_stream_reset_rate_limit(option.get(), kNoLimit, kNoLimit);
  nghttp2_option_set_max_outbound_ack(option.get(), kNoLimit);
  return option;
}

// Of what mem_recv and mem_send say; the library sends nothing by itself then.
Code code_of(int library_error) noexcept {
  switch (library_error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      return Code::protocol_error;
    case NGHTTP2_ERR_FLOODED:
      return Code::enhance_your_calm;
    default:
      return Code::internal_error;
  }
}

// A head of the size that we have announced fits, and one that is refused for it.
GuardRules guard_rules(const SessionRules& rules) noexcept {
  return {static_cast<std::uint16_t>(kSpareContinuations + rules.max_header_list / Session::kFrameSize), rules.max_resets,
          rules.max_streams};
}

void check(int library_error) {
  if (library_error != 0) throw std::bad_alloc();  // nothing else can be, before the first byte
}

// For the time that the library is at work.
class Inside {
 public:
  explicit Inside(bool& inside) noexcept : inside_(inside) {
    assert(!inside_ && "a session is not entered from its own events");
    inside_ = true;
  }
  ~Inside() { inside_ = false; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool& inside_;
};

}  // namespace

void Session::Delete::operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }

Session::Session(const SessionRules& rules, SessionEvents& events, Role role)
    : events_(events), role_(role), guard_(guard_rules(rules)) {
  role == Role::server ? begin_server(rules) : begin_client(rules);
  check(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, kConnectionWindow));
}

void Session::begin_server(const SessionRules& rules) {
  nghttp2_session* session = nullptr;
  check(nghttp2_session_server_new2(&session, SessionCallbacks::of_session(), this, options_for(rules, role_).get()));
  session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, rules.max_streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, rules.max_header_list},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},  // among the first: browsers do not look for it later
  };
  check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
}

void Session::begin_client(const SessionRules& rules) {
  nghttp2_session* session = nullptr;
  check(nghttp2_session_client_new2(&session, SessionCallbacks::of_session(), this, options_for(rules, role_).get()));
  session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, rules.max_header_list},
  };
  check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings)));
}

Session::~Session() { assert(!inside_ && "a session outlives its own events"); }

void Session::feed(std::string_view bytes, Glitches::Time now) {
  if (role_ == Role::client) return receive(bytes);
  const FrameGuard::Step step = guard_.check(bytes, now);
  receive(bytes.substr(0, step.good));
  if (step.fault != Code::no_error) blame(guard_.violation(), step.fault);
}

void Session::receive(std::string_view bytes) {
  if (bytes.empty() || ended_ || failed_) return;
  const Inside inside(inside_);
  queued_before_settings_ = queued();
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto taken = nghttp2_session_mem_recv(session_.get(), data, bytes.size());
  if (taken < 0) end(static_cast<int>(taken));
}

void Session::produce(std::string& out, std::size_t most) {
  if (!ended_) {
    const Inside inside(inside_);
    out_ = &out;
    most_ = most;
    send();
    out_ = nullptr;
  }
  if (last_words_due_) {
    last_words_due_ = false;
    append_goaway(out, nghttp2_session_get_last_proc_stream_id(session_.get()), fault_);
  }
}

void Session::send() noexcept {
  while (out_->size() < most_) {
    const std::uint8_t* data = nullptr;
    const auto size = nghttp2_session_mem_send(session_.get(), &data);
    if (size == 0) return;  // DATA frames among them: they go to out_ by themselves
    if (size < 0) return end(static_cast<int>(size));
    try {
      out_->append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
      return end(NGHTTP2_ERR_NOMEM);  // the library has given the frame away
    }
  }
}

void Session::end(int library_error) noexcept {
  ended_ = true;
  fault_ = code_of(library_error);
  if (library_error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) violation_ = metrics::Http2Violation::preface;
  last_words_due_ = true;
}

bool Session::over() const noexcept {
  if (ended_) return !last_words_due_;
  return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

StreamState* Session::find(StreamId id) const noexcept {
  return ended_ ? nullptr
                : static_cast<StreamState*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

// What is submitted below can fail for want of memory, and for a stream that is being closed: the latter is
// told by its closed().
void Session::heed(int library_error) {
  if (library_error == NGHTTP2_ERR_NOMEM) fail(Code::internal_error);
}

void Session::respond(StreamId id, unsigned status, const http::Headers& headers, bool with_body) {
  if (find(id) == nullptr) return;
  nghttp2_data_provider provider{};
  provider.read_callback = SessionCallbacks::read_body;
  const auto& fields = response_fields(status, headers);
  heed(nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(),
                               with_body ? &provider : nullptr));
}

void Session::inform(StreamId id, unsigned status, const http::Headers& headers) {
  if (find(id) == nullptr) return;
  const auto& fields = response_fields(status, headers);
  heed(nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, fields.data(), fields.size(),
                              nullptr));
}

void Session::resume(StreamId id) {
  if (find(id) != nullptr) heed(nghttp2_session_resume_data(session_.get(), id));
}

void Session::reset(StreamId id, Code code) {
  if (find(id) == nullptr && !waits(id)) return;
  heed(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, static_cast<std::uint32_t>(code)));
}

void Session::consumed(StreamId id, std::size_t size) {
  if (find(id) != nullptr) heed(nghttp2_session_consume_stream(session_.get(), id, size));
}

bool Session::window_is_open(StreamId id) const noexcept {
  return find(id) != nullptr && nghttp2_session_get_stream_remote_window_size(session_.get(), id) > 0;
}

void Session::make_incremental(StreamId id) {
  if (find(id) == nullptr) return;
  const nghttp2_extpri priority{NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
  heed(nghttp2_session_change_extpri_stream_priority(session_.get(), id, &priority, 1));
}

void Session::prioritize(StreamId id, Priority priority) {
  const nghttp2_extpri wanted{priority.urgency, priority.incremental ? 1 : 0};
  heed(nghttp2_session_change_extpri_stream_priority(session_.get(), id, &wanted, 0));
}

// The library sends a PING before all else that waits: it may not be there before the announcement has left.
void Session::announce_shutdown(std::uint64_t ping) {
  if (ended_) return;
  shutdown_ping_ = ping;
  heed(nghttp2_submit_shutdown_notice(session_.get()));
}

void Session::go_away() {
  if (ended_) return;
  const StreamId last = nghttp2_session_get_last_proc_stream_id(session_.get());
  heed(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0));
}

void Session::fail(Code code) {
  if (ended_) return;
  failed_ = true;
  // Without memory even for this frame, it is written by hand.
  if (nghttp2_session_terminate_session(session_.get(), static_cast<std::uint32_t>(code)) != 0)
    end(NGHTTP2_ERR_NOMEM);
}

void Session::blame(metrics::Http2Violation violation, Code code) {
  if (ended_ || fault_ != Code::no_error || failed_) return;
  violation_ = violation;
  fail(code);
}

void Session::reset_for_fault() {
  if (!guard_.reset_for_fault(std::chrono::steady_clock::now())) blame(metrics::Http2Violation::max_resets, Code::enhance_your_calm);
}

void Session::ping(std::uint64_t payload) {
  if (ended_) return;
  std::uint8_t bytes[8];
  for (std::size_t i = 0; i < sizeof bytes; ++i)
    bytes[i] = static_cast<std::uint8_t>(payload >> (56 - 8 * i));
  heed(nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, bytes));
}

std::size_t Session::queued() const noexcept {
  return nghttp2_session_get_outbound_queue_size(session_.get());
}

}  // namespace sluice::http2
