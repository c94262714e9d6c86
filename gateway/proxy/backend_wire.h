// One exchange as it is spoken with a backend, whatever the protocol version: a request goes out, a response comes back. Whoever uses
// it decides what is sent and for how long it waits. Used by one worker's thread.
//
// Nothing here waits but the functions that say so. Bytes come in the caller's memory and are gone at its next co_await.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/proxy/client_exchange.h"

namespace sluice::proxy {

// What there is of a response's head.
struct HeadRead {
  enum State : std::uint8_t {
    complete,
    incomplete,  // wait_readable()
    refused,     // the backend has done nothing with the request
    reset,       // the backend has ended this exchange alone
    lost,        // the connection is, or the exchange was called off
    bad,         // it cannot be trusted, see `fault`
  };
  State state = incomplete;
  ErrorCode error{};
  std::string_view fault{};  // for the log; with `lost`: what is likely to be wrong, or nothing
};

// A piece of a response's body.
struct BodyRead {
  std::size_t payload = 0;   // bytes of it, at the front of the memory; may be 0 although more comes
  std::size_t wire = 0;      // bytes that were read for it
  ErrorCode error{};         // would_block: wait_readable(); else the response is lost
  std::string_view fault{};  // what is wrong with the framing, for the log; empty: nothing
};

class BackendWire {
 public:
  virtual ~BackendWire() = default;

  // The head, with what is at hand of the body. `last`: that is all of it. `trailers` go with the last piece; null: none.
  // `request` outlives this.
  virtual ErrorCode send_head(const http::RequestHead& request, std::string_view target, std::string_view payload, bool last,
                              const http::Headers* trailers) = 0;
  virtual ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) = 0;
  virtual bool flushed() const noexcept = 0;
  virtual Awaitable<> wait_flushed() = 0;
  virtual ErrorCode write_error() const noexcept = 0;

  // The next head: of a response before the final one (1xx), or of that. `response` is empty before.
  virtual HeadRead read_head(http::ResponseHead& response) = 0;
  // Nothing of any head has come.
  virtual bool silent() const noexcept = 0;
  // The final response's body, once its head was complete.
  virtual bool body_complete() const noexcept = 0;
  virtual BodyRead read_body(char* memory, std::size_t size) = 0;
  // Moves some of the body on to the client, unseen; nothing: read it. An error is of the reading.
  virtual std::optional<tls::ReadResult> splice_body(ClientExchange& /*client*/) { return {}; }
  virtual const http::Headers& trailers() const noexcept = 0;  // when the body is complete
  // Returns when there is more to read. One coroutine at a time.
  virtual Awaitable<> wait_readable() = 0;

  // Everything pending and to come fails with `error`.
  virtual void abort(ErrorCode error) = 0;
};

}  // namespace sluice::proxy
