// One request and its response, seen from the client's side and independent of the protocol version: sessions implement it, the
// proxying works against it. Used by one worker's thread; lives within its session's coroutine.
//
// Nothing here waits but the functions that say so. Body bytes come in the caller's memory and are gone at its next co_await.
#pragma once

#include <string_view>

#include "config/route_config.h"
#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/proxy/connection_info.h"
#include "gateway/proxy/exchange_record.h"
#include "gateway/proxy/generation.h"
#include "tls/stream.h"

namespace sluice::proxy {

struct BodyPiece {
  std::string_view data;
  std::size_t wire = 0;      // bytes that were read for it, framing included
  bool last = false;         // the body is complete with this piece
  bool would_block = false;  // nothing now: wait_body()
  bool client_left = false;  // the connection ended in the middle of the body
  http::ParseError error = http::ParseError::none;
};

class ClientExchange {
 public:
  ClientExchange(const ConnectionInfo& connection_info, http::RequestHead& request_head)
      : connection(connection_info), request(request_head) {}
  virtual ~ClientExchange() = default;

  // The request's body. After `last` there is no more.
  virtual BodyPiece read_body(char* memory, std::size_t size) = 0;
  virtual Awaitable<> wait_body() = 0;
  virtual void interrupt_wait() = 0;  // makes wait_body() return
  virtual bool body_complete() const noexcept = 0;
  virtual const http::Headers& request_trailers() const noexcept = 0;

  // The response. The head is kept back until the first body bytes or flush_head(), so that both leave together.
  // `framing.kind` none: the fields are sent as they are; length: Content-Length is added; chunked or until_close:
  // the session frames the body as its protocol version can.
  virtual void start_response(unsigned status, std::string_view reason, http::Headers& headers,
                              const http::BodyFraming& framing) = 0;
  virtual ErrorCode flush_head() = 0;
  virtual ErrorCode send_body(std::string_view payload, bool last, const http::Headers* trailers) = 0;
  // Moves up to `size` of the body's next bytes on from `from`, unseen (tls::Stream::splice_to); the last ones go by send_body().
  // Nothing: read them and send them, here or this time.
  virtual std::optional<tls::ReadResult> splice_body(tls::Stream& /*from*/, std::size_t /*size*/) { return {}; }
  virtual ErrorCode send_interim(unsigned status, std::string_view reason, const http::Headers& headers) = 0;
  virtual bool flushed() const noexcept = 0;
  virtual Awaitable<> wait_flushed() = 0;
  virtual ErrorCode write_error() const noexcept = 0;
  bool response_started() const noexcept { return response_started_; }
  // Forgets a head that has not left yet, so that another response can be given; false: it has left.
  virtual bool take_back_response() = 0;

  // The response cannot be finished: the client must not take what it got for the whole.
  virtual void break_off() = 0;
  // No further request on this connection, where that means something.
  virtual void close_after() = 0;
  // Calls back once when the client goes away while nothing is read from it.
  virtual void watch_client(tls::Stream::Callback on_left, void* context) = 0;
  virtual void stop_watching() = 0;

  // A WebSocket handshake is accepted: writes what says so, with the fields by which this protocol version does.
  virtual ErrorCode open_tunnel(http::Headers& headers) = 0;
  // Whether a 2xx says so, and not a 101.
  virtual bool tunnel_by_status() const noexcept { return false; }
  // What the tunnel is carried by, with the bytes that came behind the head. Only after open_tunnel().
  virtual tls::DuplexPtr take_stream() = 0;

  const ConnectionInfo& connection;
  http::RequestHead& request;
  ExchangeRecord record;
  std::shared_ptr<Generation> generation;  // that the request began under; null between two requests
  const config::Route* route = nullptr;  // of the snapshot, once it was found

 protected:
  bool response_started_ = false;
};

}  // namespace sluice::proxy
