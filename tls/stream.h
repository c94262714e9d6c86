// One connected byte stream, plain or TLS: a client connection or a connection to a backend. It owns the descriptor and
// the TLS session. Used by one worker's thread only, from accept or connect to its end.
//
// Reading never waits and owns no buffer: read_some() takes what is there into the caller's memory, would_block means "wait
// first". The socket is registered with the loop once, edge-triggered; the stream remembers whether there may be something to
// read, so that no call is made in vain.
// Writing never waits either: what the socket does not take is copied, counted against max_held_bytes, and sent as
// the peer makes room; the caller waits for flushed() before it writes more. So a stream holds at most one write's worth.
// Every error is sticky, also the one given to abort(): all later calls return it, and whoever waits is woken.
#pragma once

#include <openssl/ssl.h>

#include <array>

#include "tls/client_hello_guard.h"
#include "tls/duplex.h"
#include "tls/frame_memory.h"
#include "tls/ssl_ptr.h"

namespace sluice::tls {

class Stream;
struct StreamClose {
  void operator()(Stream* stream) const noexcept;
  operator DuplexClose() const noexcept { return {}; }  // a StreamPtr may become a DuplexPtr
};
using StreamPtr = std::unique_ptr<Stream, StreamClose>;

class Stream final : public Duplex, private EventSource {
 public:
  // A connected socket, or one that is connecting: then connected() comes first. Non-blocking.
  static StreamPtr plain(WorkerIo& io, Descriptor socket);
  static StreamPtr secure(WorkerIo& io, Descriptor socket, SslPtr ssl);

  bool is_tls() const noexcept { return ssl_ != nullptr; }
  SSL* ssl() const noexcept { return ssl_.get(); }
  // The protocol that the handshake has agreed on; empty: none.
  std::string_view alpn() const noexcept;
  Stream* socket() noexcept override { return this; }
  int descriptor() const noexcept { return socket_.get(); }

  // Returns when the connect() that is under way has ended, and how.
  Awaitable<ErrorCode> connected();
  // A plain stream speaks TLS from here on. Nothing is put back in it; what it keeps to be sent leaves before TLS.
  void start_tls(SslPtr ssl);
  // Completes the TLS handshake in the direction that the session was set up for. Nothing to do on a plain stream.
  Awaitable<ErrorCode> handshake();
  // After a handshake that failed: waits for the peer to leave, so that it can read why. What it sends is not looked at.
  // Bounded by the owner, who aborts.
  Awaitable<> wait_for_end();

  ReadResult read_some(char* data, std::size_t size) override;
  void unread(std::string_view bytes) override;
  // Returns when read_some() has something new to say. One coroutine at a time.
  Awaitable<> wait_readable();
  // Makes a wait_readable() return now, although nothing came; the stream stays usable.
  void interrupt_wait() noexcept {
    if (read_waiter_.waiting()) wake_reader_later();
  }
  // Call read_some() until it would block, then wait: TLS may hold whole records that no socket event announces.
  bool readable_now() const noexcept override {
    return error_ || !unread_.empty() || ready_ || read_ended_ || socket_eof_ || turn_over_;
  }

  // All of it is sent or kept; an error means that the stream is lost (held_limit: the budget for slow peers is spent).
  // At most kMaxParts parts, sent with one system call or as one TLS record where they fit.
  static constexpr std::size_t kMaxParts = 6;
  // A peer that takes no more bytes may still have sent some: reading goes on after a failed write, see write_error().
  ErrorCode write(std::initializer_list<std::string_view> parts) override;
  // Over TLS, what is kept stops the reading when it is much more.
  void set_most_kept(std::size_t size) noexcept override { most_kept_ = size; }
  // What the peer's system has not acknowledged yet, as the kernel says.
  std::size_t unacknowledged() const noexcept override;
  // Returns when everything kept was sent, or the stream is lost: see write_error(). One coroutine at a time.
  Awaitable<> wait_flushed();
  // Cuts the stream when the peer takes no bytes for so long while some are kept. Absent: never. `count` is told.
  void set_write_idle(std::optional<std::chrono::milliseconds> limit, metrics::Counter* count = nullptr) noexcept {
    write_idle_limit_ = limit;
    write_idle_count_ = count;
  }
  // From socket to socket, past this process's memory. Whether that is possible now: both are plain, nothing was put back here and
  // nothing is kept there.
  bool can_splice_to(const Stream& to) const noexcept;
  // What read_some() would return, without taking it. Only of a plain stream with nothing put back.
  ReadResult peek(char* data, std::size_t size);
  // After a peek() that showed too little: returns when there is more to see. False: no more will come.
  Awaitable<bool> wait_for_more();
  // read_some() and to.write() of the same bytes, which nobody sees; at most kMostSpliced of them. An error is of the reading;
  // what became of the writing tells to.write_error(). Nothing: read_some() knows what is there. Only where can_splice_to() says yes.
  std::optional<ReadResult> splice_to(Stream& to, std::size_t size);

  // Sends close_notify under TLS, then FIN.
  void shutdown_write() override;

  // Calls back (once) when the peer ends or resets the connection while nobody reads, also behind bytes that are unread.
  void watch_end(Callback on_end, void* context);
  // The same for a connection on which nothing at all is expected: bytes count as well.
  void watch_idle(Callback on_event, void* context);
  void stop_watching() noexcept { on_end_ = nullptr; }

  // The event interface that a state machine uses instead of the coroutine waits: each is called once per call.
  void on_readable(Callback callback, void* context) override;
  void on_flushed(Callback callback, void* context) override;
  void yield(Callback callback, void* context) override;

  // Something that shall live as long as the connection is open: a count, a slot.
  struct Attachment {
    virtual ~Attachment() = default;
  };
  void attach(std::unique_ptr<Attachment> attachment) noexcept { attachment_ = std::move(attachment); }

  // Everything pending and to come fails with `error`. The descriptor stays open until the owner lets go.
  void abort(ErrorCode error);
  const ErrorCode& error() const noexcept { return error_; }
  void cut_for_others() override;  // fails with held_limit

  std::uint64_t bytes_written() const noexcept override { return bytes_written_; }  // on the wire

 private:
  friend struct StreamClose;
  friend struct StreamBio;

  struct Interest {
    Callback callback = nullptr;
    void* context = nullptr;
    void fire() {
      if (callback != nullptr) std::exchange(callback, nullptr)(context);
    }
  };

  // A sender whose bytes come in pieces smaller than this is read: copying so little is cheaper, and in the receiver's queue each
  // piece would hold on to a whole buffer of the network card.
  static constexpr std::size_t kDrip = 4096;

  Stream(WorkerIo& io, Descriptor socket);
  ~Stream() override;
  void close() noexcept override;
  void on_events(std::uint32_t events) override;
  void on_connected();
  static void on_next_turn(void* stream);

  ReadResult read_plain(char* data, std::size_t size);
  ReadResult read_tls(char* data, std::size_t size);
  ErrorCode cannot_receive() const noexcept;
  ssize_t receive_some(char* data, std::size_t size, int flags) noexcept;
  ReadResult receive(char* data, std::size_t size);  // from the socket
  ErrorCode received_nothing(ssize_t got);
  ReadResult note_end(const ReadResult& result);
  void wake_reader();
  void wake_reader_later() noexcept;
  bool end_seen();
  bool tls_end_seen();
  Awaitable<> wait_for_heavy_work();
  bool tls_has_something() const noexcept;

  ErrorCode write_tls(std::initializer_list<std::string_view> parts);
  ErrorCode ssl_write(const char* data, std::size_t size);
  ErrorCode transmit(struct iovec* parts, std::size_t count);  // sends at once, keeps the rest
  ErrorCode send_failed(int number);
  ErrorCode keep_parts(const struct iovec* parts, std::size_t count, std::size_t size);
  void transmit_spliced(std::size_t left);
  bool send_kept();  // false: the socket takes no more for now
  void wait_for_room();
  void on_write_idle();
  void flush_done();
  void send_fin();
  ErrorCode tls_error(int result);
  void tls_violated(metrics::Counter& reason);  // by a client: counted. Fails what is read from now on

  Descriptor socket_;
  SslPtr ssl_;
  ErrorCode error_;        // of reading, or of everything after abort()
  FrameString unread_;
  NextTurn next_turn_;     // for `reader_due_` and `writer_due_`

  // Reading.
  Waiter read_waiter_;
  Interest readable_;
  Callback on_end_ = nullptr;
  void* on_end_context_ = nullptr;
  bool watch_data_ = false;
  bool ready_ = false;             // the socket may have something to read
  bool hung_up_ = false;           // the peer's FIN or a reset has come, maybe behind bytes: read on to the end
  bool read_ended_ = false;        // it was read, or TLS's close_notify was
  bool socket_eof_ = false;
  bool read_waits_flush_ = false;  // TLS answers (KeyUpdate) pile up: read on when they are sent
  bool turn_over_ = false;         // this turn's share of TLS records is used up: read on in the next one
  bool reader_due_ = false;
  bool drips_ = false;             // what comes is too little at a time for splicing
  std::uint16_t key_updates_ = 0;  // since the last application data
  ClientHelloGuard hellos_;        // of a client
  std::size_t raw_budget_ = 0;     // bytes that OpenSSL may still take from the socket in this read

  // Writing.
  bool writer_due_ = false;
  bool connecting_ = false;
  bool room_watched_ = false;      // EPOLLOUT is registered: from the first stall on
  bool was_full_ = false;          // the socket did not take all of a write, once
  bool corked_ = false;            // records of one write are gathered in io_.records
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  std::size_t most_kept_ = 0;
  Waiter flush_waiter_;
  Interest flushed_interest_;
  std::optional<std::chrono::milliseconds> write_idle_limit_;
  metrics::Counter* write_idle_count_ = nullptr;
  std::optional<Deadline> write_deadline_;  // made on the first stall
  std::uint64_t bytes_written_ = 0;
  std::unique_ptr<Attachment> attachment_;
};

}  // namespace sluice::tls
