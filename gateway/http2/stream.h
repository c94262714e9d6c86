// One stream of an HTTP/2 connection, as whoever serves its request sees it: stands where a socket's tls::Stream stands on HTTP/1.1,
// first for the exchange, then for a tunnel. Or as whoever has sent the request sees it. It belongs to its user; the connection knows
// it until both have let go.
//
// What came waits here until it is read: only then the stream's window opens again, so a slow reader stops its own stream. What is
// written goes to the connection as far as windows, priorities and the socket let it; the rest is kept, counted against
// max_held_bytes, and the writer waits for flushed(). Whoever waits is woken by the event loop, never from within a call.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/http2/session.h"
#include "tls/deadline.h"
#include "tls/duplex.h"
#include "tls/frame_memory.h"
#include "tls/held_share.h"

namespace sluice::http2 {

class Carrier;
class Stream;
struct StreamClose {
  void operator()(Stream* stream) const noexcept;
  operator tls::DuplexClose() const noexcept { return {}; }
};
using StreamPtr = std::unique_ptr<Stream, StreamClose>;

// By what it repeats of the connection's HPACK table, a head or its like can be large and have cost its sender next to nothing: what is
// larger than this counts in max_held_bytes for as long as it is there.
inline constexpr std::size_t kFreeHead = 4 * 1024;

class Stream final : public tls::Duplex, public StreamState {
 public:
  static void* operator new(std::size_t size) { return FrameMemory::allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { FrameMemory::release(memory, size); }

  tls::ReadResult read_some(char* data, std::size_t size) override;
  void unread(std::string_view bytes) override;
  bool readable_now() const noexcept override {
    return error_ || peer_ended_ || !put_back_.empty() || available() > 0 || !heads_.empty();
  }
  void on_readable(Callback callback, void* context) override;
  void yield(Callback callback, void* context) override;
  // Returns when read_some() has something new to say, or at interrupt_wait(). One coroutine at a time.
  Awaitable<> wait_readable();
  void interrupt_wait() noexcept;
  // Calls back once when the peer resets the stream, or the connection is lost, while nobody reads.
  void watch_end(Callback on_end, void* context);
  void stop_watching() noexcept { end_ = {}; }
  // The peer's message is complete, and all of it was read.
  bool read_to_end() const noexcept { return peer_ended_ && !error_ && put_back_.empty() && came_.empty(); }
  const http::Headers& trailers() const noexcept { return trailers_; }  // complete with the message

  // Of a request of ours: the next head of its response, if it has come. With a fault the head cannot be used.
  struct Head {
    http::ResponseHead head;
    http::ParseError fault = http::ParseError::none;
    std::size_t size = 0;  // of names and values, and 32 bytes for each field
  };
  // It counts in max_held_bytes, if it is large, until the next one is taken or the stream is let go of.
  std::optional<Head> take_head();
  const ErrorCode& error() const noexcept { return error_; }

  // The final response, or one before it. With a body, write() and end() follow.
  void respond(unsigned status, const http::Headers& headers, bool with_body);
  void inform(unsigned status, const http::Headers& headers);
  // The response to a CONNECT that opens a tunnel (RFC 9113 8.5).
  void open_tunnel(const http::Headers& headers);
  ErrorCode write(std::initializer_list<std::string_view> parts) override { return send(parts, false, nullptr); }
  // The same with the last bytes; the end leaves in one frame with them. `trailers` may be null.
  ErrorCode write_last(std::initializer_list<std::string_view> parts, const http::Headers* trailers) { return send(parts, true, trailers); }
  void on_flushed(Callback callback, void* context) override;
  Awaitable<> wait_flushed();
  void set_most_kept(std::size_t) noexcept override {}  // what is kept stops nothing here
  void set_write_idle(std::optional<std::chrono::milliseconds> limit, metrics::Counter* count) noexcept;
  std::size_t unacknowledged() const noexcept override;
  std::uint64_t bytes_written() const noexcept override { return bytes_written_; }
  void shutdown_write() override { send({}, true, nullptr); }

  // Nothing more is sent or read. What waits here fails with `error`.
  void reset(Code code, ErrorCode error);
  void cut_for_others() override;
  StreamId id() const noexcept { return id_; }

 private:
  friend class Carrier;
  friend class Connection;
  friend class ClientConnection;
  friend struct StreamClose;

  struct Interest {
    Callback callback = nullptr;
    void* context = nullptr;
    void fire() {
      if (callback != nullptr) std::exchange(callback, nullptr)(context);
    }
  };

  Stream(Carrier& connection, StreamId id, Role role = Role::server);
  ~Stream() override;
  void close() noexcept override;
  // Whoever lets go after the end was written lets it leave.
  bool ends_in_order() const noexcept { return role_ == Role::server || tunnel_; }

  // Of the connection, from within the session's events.
  void data(std::string_view bytes);
  void trailers_came();
  void peer_ended();
  void begin(const OutgoingRequest& request, bool with_body) noexcept;
  void head(Head head);
  bool hold_head(std::size_t size);  // a large one, or trailers; false: there is no room, the stream is reset
  void closed(ErrorCode error = std::make_error_code(std::errc::connection_reset));
  void lost(ErrorCode error);
  Due due(std::size_t most);
  void take(std::size_t size, std::string& out);

  static void on_turn(void* stream);
  std::size_t available() const noexcept;
  void wake_reader();
  void wake_reader_later() noexcept;
  void wake_writer_later() noexcept;
  void fail(ErrorCode error);
  void stop_writing(ErrorCode error);
  void await_writing();
  void on_write_idle();
  void await_end();
  void use_up(std::size_t size);
  void forget_what_was_read() noexcept;
  void drop_what_came() noexcept;

  ErrorCode send(std::initializer_list<std::string_view> parts, bool last, const http::Headers* trailers);
  std::size_t lent() const noexcept;
  void keep_lent();
  void keep_trailers(const http::Headers& trailers);
  void forget_lent() noexcept;
  void take_kept(std::size_t size, std::string& out);
  void give_back_held() noexcept;

  Carrier* connection_;     // null: it is gone
  const StreamId id_;
  const Role role_;         // this side's
  bool closed_ = false;     // the session has forgotten it
  bool orphan_ = false;     // its user has let go: deleted with closed()
  bool asks_for_tunnel_ = false;  // it is a CONNECT of ours
  bool tunnel_ = false;     // opened: there are bytes both ways, and no trailers
  // Of the length that an answer says to have which refuses a CONNECT: the library takes it for a tunnel's, which has none.
  std::optional<std::uint64_t> left_of_refusal_;
  ErrorCode error_;         // of reading, or of everything after reset()
  tls::NextTurn next_turn_;

  // Reading.
  FrameString came_;        // from `came_used_` on it is unread
  std::size_t came_used_ = 0;
  std::size_t came_held_ = 0;  // of the budget
  // Of the length that the message says to have, what has not been read. Its last byte waits for the message's end: whoever hands it on
  // over HTTP/1.1 says with it that this was all, and more may come yet, for which the stream is reset.
  std::uint64_t left_of_length_ = std::numeric_limits<std::uint64_t>::max();
  std::string put_back_;
  std::vector<Head, FrameAllocator<Head>> heads_;  // of a response, few at a time
  bool head_request_ = false;  // it answers a HEAD
  std::size_t taken_head_ = 0;  // of heads_share_: the head that was taken last
  http::Headers trailers_;
  tls::HeldShare heads_share_;  // of the budget: heads and trailers that are large
  bool peer_ended_ = false;
  std::optional<tls::Deadline> late_;  // while a request that is answered may still end by itself
  bool reader_due_ = false;
  tls::Waiter read_waiter_;
  Interest readable_, end_;

  // Writing.
  std::span<const std::string_view> lent_;  // while send() runs; from `lent_used_` on it is still to be sent
  std::size_t lent_used_ = 0;
  const http::Headers* last_trailers_ = nullptr;
  http::Headers kept_trailers_;
  bool end_due_ = false;
  bool end_sent_ = false;
  bool writer_due_ = false;
  tls::Waiter flush_waiter_;
  Interest flushed_interest_;
  std::optional<std::chrono::milliseconds> write_idle_limit_;
  metrics::Counter* write_idle_count_ = nullptr;
  std::optional<tls::Deadline> write_deadline_;
  std::uint64_t taken_before_ = 0;  // by all streams of the connection, when the deadline was set
  std::uint64_t bytes_written_ = 0;

  Stream* previous_ = nullptr;  // of the connection's
  Stream* next_ = nullptr;
};

}  // namespace sluice::http2
