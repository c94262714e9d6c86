// One end of a byte stream with two directions, whatever carries it: what a tunnel needs of it. Stream is a socket's; a stream among
// others on one connection can be another. Used by one worker's thread.
//
// Reading and writing never wait, and the callbacks are called once per call: see Stream, where all of this is described.
#pragma once

#include <initializer_list>

#include "tls/worker_io.h"

namespace sluice::tls {

class Stream;
class Duplex;
struct DuplexClose {
  void operator()(Duplex* end) const noexcept;
};
using DuplexPtr = std::unique_ptr<Duplex, DuplexClose>;

struct ReadResult {
  std::size_t size = 0;
  ErrorCode error;       // would_block, eof, or a failure; then size is 0
  bool drained = false;  // the next call would say would_block: wait at once
};

class Duplex {
 public:
  using Callback = void (*)(void* context);

  Duplex(const Duplex&) = delete;
  Duplex& operator=(const Duplex&) = delete;

  WorkerIo& io() const noexcept { return io_; }

  virtual ReadResult read_some(char* data, std::size_t size) = 0;
  // Puts bytes back in front of what read_some() returns next.
  virtual void unread(std::string_view bytes) = 0;
  // Whether read_some() is worth a call before any wait.
  virtual bool readable_now() const noexcept = 0;
  virtual void on_readable(Callback callback, void* context) = 0;
  // Calls back after others had their turn, although there is more to read.
  virtual void yield(Callback callback, void* context) = 0;

  // All of it is sent or kept; an error means that nothing more can be written.
  virtual ErrorCode write(std::initializer_list<std::string_view> parts) = 0;
  bool flushed() const noexcept { return kept_ == 0 || write_error_; }
  std::size_t kept() const noexcept { return kept_; }
  const ErrorCode& write_error() const noexcept { return write_error_; }
  virtual void on_flushed(Callback callback, void* context) = 0;
  // The owner means to let so much be kept, beyond one write.
  virtual void set_most_kept(std::size_t size) noexcept = 0;
  // Of what was written, what the peer is not known to have got, with what is kept.
  virtual std::size_t unacknowledged() const noexcept = 0;
  virtual std::uint64_t bytes_written() const noexcept = 0;
  // No more writes: the peer is told so after what is kept.
  virtual void shutdown_write() = 0;

  // Fails and gives back what it keeps: others need the room. Called by WorkerIo.
  virtual void cut_for_others() = 0;
  // The socket that it is, if it is one: only there can bytes pass without being read.
  virtual Stream* socket() noexcept { return nullptr; }

 protected:
  explicit Duplex(WorkerIo& io) noexcept : io_(io) {}
  virtual ~Duplex() = default;

  // What the peer has not taken is kept in the order of writing. It counts in limits.max_held_bytes, and its Duplex among the stalled.
  // Takes from the budget before keep(); false: it is spent, and nothing more may be kept. Throws std::bad_alloc, and has done nothing.
  bool make_room(std::size_t size);
  void keep(std::string_view bytes) noexcept;
  std::string_view kept_bytes() const noexcept { return {overflow_.data() + overflow_.size() - kept_, kept_}; }
  // The first ones have left. When these were all, forget_kept() is to follow.
  void kept_left(std::size_t size) noexcept;
  void forget_kept() noexcept;
  bool keeps_memory() const noexcept { return !overflow_.empty(); }

  WorkerIo& io_;
  ErrorCode write_error_;
  // Here, with the error, because both are asked for several times per message: by calls that are not virtual.
  std::size_t kept_ = 0;

 private:
  friend struct DuplexClose;
  // The owner lets go of it.
  virtual void close() noexcept = 0;
  void forget_what_left() noexcept;

  std::string overflow_;  // all but the last kept() bytes have left; the budget counts all of it
  StalledPeers::Place stalled_place_;  // while there is something
};

inline void DuplexClose::operator()(Duplex* end) const noexcept { end->close(); }

}  // namespace sluice::tls
