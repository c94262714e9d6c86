// What a Stream needs of the connection that it is on: the server's (Connection), or the client's (ClientConnection). It knows its
// streams until they go. Used by one worker's thread.
#pragma once

#include "gateway/http2/session.h"
#include "tls/io_types.h"
#include "tls/worker_io.h"

namespace sluice::http2 {

class Stream;

class Carrier {
 public:
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;
  virtual tls::WorkerIo& io() noexcept = 0;

 protected:
  friend class Stream;
  Carrier() = default;
  virtual ~Carrier() = default;

  virtual Session& session() noexcept = 0;
  // What the session has to say, as long as the socket takes it; it leaves in this turn of the event loop.
  virtual void make() = 0;
  virtual void flush_later() noexcept = 0;
  // When the stream is complete on this side, and that has left the session, nobody needs the rest of the request (RFC 9113 8.1).
  virtual void reset_later(StreamId id) = 0;
  // What was written to all streams and the peer's system has not acknowledged yet.
  virtual std::size_t unacknowledged() const noexcept = 0;

  void add(Stream& stream) noexcept;
  void remove(Stream& stream) noexcept;
  // Every stream fails with `error`, and is on no connection any more.
  void lose_streams(ErrorCode error);

  Stream* first_ = nullptr;
  std::size_t stream_count_ = 0;
};

}  // namespace sluice::http2
