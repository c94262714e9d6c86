// One HTTP/2 connection without its I/O: bytes of the peer go in, events and bytes for the peer come out.
// Hides nghttp2, and adds the rules for clients that it leaves to others (FrameGuard). It is the server's side,
// or the client's (session_client.cpp). Its owner's thread alone touches it.
//
// The owner reads from its socket and calls feed(), writes what produce() appends, and after each of them
// asks over(). Within both, SessionEvents is told what happened. From within an event the session may be
// asked to respond(), inform(), open(), take_back(), resume(), reset(), consumed() or go_away(), but neither feed() nor
// produce() may be called, and the session not be destroyed: so an owner notes the event down and wakes whom it
// concerns when it is outside again. Nothing that is asked for leaves by itself: produce() has to be called.
//
// Windows: the connection's is given back as data comes, a stream's only by consumed(). A reader that is slow
// stops its own stream and no other. What may lie unread is then the window of a stream (kStreamWindow, and a
// frame of who does not keep to it) times the number of streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/headers.h"
#include "gateway/http2/codes.h"
#include "gateway/http2/frame_guard.h"
#include "gateway/http2/priority.h"

struct nghttp2_session;

namespace sluice::http2 {

// What the owner keeps of one stream: derived from there. The session only carries the pointer, and forgets
// it with closed().
class StreamState {
 protected:
  ~StreamState() = default;

 private:
  friend class Session;
  friend struct SessionCallbacks;
  // Of a response (client): the head that is coming is one before the final one; the final one has come.
  bool interim_ = false;
  bool answered_ = false;
};

enum class Role : std::uint8_t { server, client };

// A request of ours.
struct OutgoingRequest {
  std::string_view method, scheme, target;
  const http::Headers& headers;  // as on HTTP/1.1: with Host, and maybe fields of one connection, which are left out
  bool accepts_trailers = false;
  std::string_view protocol = {};  // of an extended CONNECT (RFC 8441); empty: it is none
};

// What may be taken of a stream's body. Neither bytes nor an end: nothing is there now, and resume() tells
// when there is.
struct Due {
  std::size_t size = 0;
  bool last = false;  // the body ends with these bytes
  // With `last`: they follow the body. Copied when due() has been left; empty or null: there are none.
  const http::Headers* trailers = nullptr;
};

// Told within feed() and produce(). All views hold until the event returns.
class SessionEvents {
 public:
  // A head begins: of a new request (server only). What is returned is the stream's from now on; null refuses
  // it (REFUSED_STREAM).
  virtual StreamState* began(StreamId id) = 0;
  // A field of it, pseudo fields (":path") first; names are in lower case. Only fields that RFC 9113 8.2
  // and 8.3 allow come here, a head with any other ends with closed(PROTOCOL_ERROR). False gives the stream
  // up (ENHANCE_YOUR_CALM): it will be closed, the head is never done.
  virtual bool field(StreamId id, StreamState& stream, std::string_view name, std::string_view value,
                     bool trailer) = 0;
  // The head, or the trailers, are complete. peer_ended() follows when the stream ends with it (`last`). Heads
  // of responses may come several times: all but the last say 1xx.
  virtual void head_done(StreamId id, StreamState& stream, bool trailer, bool last) = 0;
  // After a reset() the rest of the frame that is under way may still come.
  virtual void data(StreamId id, StreamState& stream, std::string_view bytes) = 0;
  // All of the message is there, and as long as its Content-Length said.
  virtual void peer_ended(StreamId id, StreamState& stream) = 0;
  // The stream is no more: both sides have ended it (no_error), or one has reset it. Exactly once for each
  // stream that began; also before head_done(). Not told by the session's destruction. REFUSED_STREAM (client):
  // the peer has done nothing with the request, or never got it.
  virtual void closed(StreamId id, StreamState& stream, Code code, bool by_peer) = 0;

  // At most `most` bytes of the body that respond() or open() promised. take() follows at once for the same stream,
  // with the same size, unless the size is 0.
  virtual Due due(StreamId id, StreamState& stream, std::size_t most) = 0;
  // Appends exactly so many bytes of the body to `out`.
  virtual void take(StreamId id, StreamState& stream, std::size_t size, std::string& out) = 0;

  virtual void settings_came() = 0;  // the first, or changed
  virtual void pong(std::uint64_t payload) = 0;
  // The peer begins nothing new, or (server) wants no pushes. Streams of ours above `last` it has not looked
  // at.
  virtual void went_away(Code code, StreamId last) = 0;

 protected:
  ~SessionEvents() = default;
};

struct SessionRules {
  std::uint32_t max_streams = 128;            // of the peer at once, announced (server)
  std::uint32_t max_header_list = 64 * 1024;  // announced; whoever takes the fields counts
  config::OptionalRate max_resets = config::Rate{100, std::chrono::seconds(1)};  // Glitches
  std::size_t max_sent_head = 64 * 1024;  // of ours, compressed; a larger one resets its stream
};

class Session {
 public:
  static constexpr std::size_t kStreamWindow = 65535;  // RFC 9113 6.9.2, the initial one
  static constexpr std::size_t kFrameSize = 16384;     // of the largest payload that either side sends here

  // SETTINGS are due at once. Throws std::bad_alloc.
  Session(const SessionRules& rules, SessionEvents& events, Role role = Role::server);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // What the peer sent, in order, from its preface on, in pieces of any size. After an error on the
  // connection further bytes are ignored. `now`: for how much of it there may be in a time.
  void feed(std::string_view bytes, Glitches::Time now = std::chrono::steady_clock::now());

  // Appends what is due, in whole frames, until nothing is or `out` holds `most` bytes; it may then be longer
  // by one frame.
  void produce(std::string& out, std::size_t most);

  // Nothing more is read nor sent: after an error, or after GOAWAY when all streams are closed. True only
  // once produce() has appended the last words. Streams that were not closed() by then are lost, and the
  // owner lets go of them.
  bool over() const noexcept;
  // The error with which this side has ended the connection: no_error as long as it has not, or did in peace.
  // Running out of memory within feed(), produce() or an event is one too (INTERNAL_ERROR).
  Code fault() const noexcept { return fault_; }
  // What the peer did wrong that this side has ended the connection for.
  metrics::Http2Violation violation() const noexcept { return violation_; }

  // The final response of a stream; once. Fields of one connection (Connection, Keep-Alive,
  // Transfer-Encoding, ...) are left out. With a body due() is asked for it, without one the stream ends
  // here. A stream that has been closed in the meantime is passed over, here and below.
  void respond(StreamId id, unsigned status, const http::Headers& headers, bool with_body);
  // An interim response (1xx but 101), before respond().
  void inform(StreamId id, unsigned status, const http::Headers& headers);
  // Of a client: how many requests the peer lets be under way at once; 100 before it has said so.
  std::size_t capacity() const noexcept;
  // How many more may be under way now; 0 when it wants none.
  std::size_t room() const noexcept;
  // It will not have any again.
  bool is_leaving() const noexcept { return ended_ || away_ || fault_ != Code::no_error || next_id() == 0; }
  // Whether the peer's SETTINGS, as far as they have come, let a client ask for other protocols (RFC 8441 3).
  bool takes_extended_connect() const noexcept;
  // The id that the next open() gives; 0: there is none left.
  StreamId next_id() const noexcept;
  // A request of a client. With a body due() is asked for it. False: it was not taken, closed() will not come.
  bool open(const OutgoingRequest& request, StreamState& stream, bool with_body);
  // A request of a client that has not begun to leave is forgotten: closed() will not come. False: it has, or is no more.
  bool take_back(StreamId id);
  // due() has something to say again.
  void resume(StreamId id);
  // At once: what has been asked for and not been produced is taken back.
  void reset(StreamId id, Code code);
  // So much of a stream's data has been used: its window opens by it.
  void consumed(StreamId id, std::size_t size);
  // By the peer, for DATA of this stream; whether the connection's is open as well is not looked at.
  bool window_is_open(StreamId id) const noexcept;
  // Shares the connection with others of its urgency, whatever the peer said (RFC 9218 4.2). That a request
  // without a `priority` field does so is done already.
  void make_incremental(StreamId id);

  // Two steps of leaving in peace: no more streams, please, which the peer may not have seen yet; then, when
  // pong() has brought back `ping`, none above the highest so far. Streams under way go on; over() is true
  // after the last.
  void announce_shutdown(std::uint64_t ping);
  void go_away();
  // The connection ends with an error, at once.
  void fail(Code code);

  void ping(std::uint64_t payload);
  // That began and are not closed().
  std::size_t streams() const noexcept { return streams_; }
  // The number of the head, or trailers, that is coming; 0: none is.
  std::uint64_t head_under_way() const noexcept { return guard_.head_under_way(); }
  // Frames that wait in the session, other than DATA: when a peer asks but does not read, stop reading from
  // it.
  std::size_t queued() const noexcept;

 private:
  friend struct SessionCallbacks;
  struct Delete {
    void operator()(nghttp2_session* session) const noexcept;
  };

  void begin_server(const SessionRules& rules);
  void begin_client(const SessionRules& rules);
  void receive(std::string_view bytes);
  void send() noexcept;
  void end(int library_error) noexcept;
  void heed(int library_error);
  void prioritize(StreamId id, Priority priority);
  void blame(metrics::Http2Violation violation, Code code);
  void reset_for_fault();
  StreamState* find(StreamId id) const noexcept;
  bool waits(StreamId id) const noexcept;  // a request that has not left yet

  SessionEvents& events_;
  const Role role_;
  std::unique_ptr<nghttp2_session, Delete> session_;
  FrameGuard guard_;
  std::size_t streams_ = 0;
  // While produce() runs.
  std::string* out_ = nullptr;
  std::size_t most_ = 0;
  std::optional<std::uint64_t> shutdown_ping_;  // goes behind the announcement
  StreamId reset_by_peer_ = 0;     // the last one
  PriorityUpdates priorities_;
  std::string priority_update_;    // the payload of such a frame, as it comes
  std::size_t queued_before_settings_ = 0;
  StreamId last_opened_ = 0;       // of a client: whose request has left
  StreamId not_begun_ = 0;         // the last one that could not leave, since the peer wants no more
  bool away_ = false;              // the peer begins nothing new, or wants nothing new
  Code fault_ = Code::no_error;
  metrics::Http2Violation violation_ = metrics::Http2Violation::none;
  bool failed_ = false;  // fail() was called: the fault is not of the library's finding
  bool inside_ = false;  // the library: it must not be entered again
  bool ended_ = false;   // by an error after which the library must not be asked for anything
  bool last_words_due_ = false;
};

}  // namespace sluice::http2
