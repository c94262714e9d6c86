// One attempt to have a request answered by one endpoint: connects, sends head and body, reads the response head, relays the
// response body. It owns the BackendConnection, and speaks by way of its BackendWire. Lives in the coroutine of forward_request, which
// joins the upload before it leaves, or of forward_upgrade, whose requests have no body (check_request()) and so no upload.
//
// The upload (upstream_upload.cpp) runs as a coroutine of its own beside the response, so that an early answer reaches the client;
// when the body is at hand with the head (most requests), no second coroutine is made. How a handshake comes to its connection is in
// upstream_tunnel.cpp.
#pragma once

#include "gateway/proxy/backend_connection.h"
#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/reply.h"
#include "gateway/proxy/route_context.h"
#include "gateway/proxy/spare_response_heads.h"
#include "tls/held_share.h"

namespace sluice::proxy {

using upstream::Failure;
using upstream::FailureCode;

// The part of a request's body that was sent already, kept while the attempt may be repeated and limits.max_held_bytes has room.
struct HeldBody {
  explicit HeldBody(tls::WorkerIo& io) noexcept : share(io) {}
  static constexpr std::size_t kMax = 64 * 1024;
  std::string bytes;
  bool whole = true;       // nothing that was sent is missing
  bool complete = false;   // and it is all of the body
  tls::HeldShare share;    // of `bytes`

  // There will be no other attempt with it.
  void drop() noexcept {
    std::string().swap(bytes);
    share.give_back();
    whole = complete = false;
  }
};

class UpstreamExchange {
 public:
  UpstreamExchange(ClientExchange& client, Services& services, RouteContext& route, HeldBody& held);
  UpstreamExchange(const UpstreamExchange&) = delete;
  UpstreamExchange& operator=(const UpstreamExchange&) = delete;
  ~UpstreamExchange();

  // All of an attempt that may be repeated: connects, sends the request, reads the response head.
  // `keep_body`: what is sent of the body is held for another attempt.
  Awaitable<Failure> begin(upstream::Picked&& picked, bool keep_body);
  // Sends the head to the client, then the body as it comes. On success the connection goes back to the pool if it may.
  Awaitable<Failure> relay_response();
  // Whether the upload still runs; then finish_upload(), which stops it, must be awaited before destruction, whatever happened.
  bool uploading() const noexcept { return upload_running_; }
  Awaitable<> finish_upload();

  std::size_t endpoint() const noexcept { return backend_.picked().index; }
  http::ResponseHead& response() noexcept { return *response_; }
  bool reused() const noexcept { return backend_.reused(); }
  // The client cannot be reached any more.
  void client_left();
  // The attempt has failed: another one may need the connection's place. Not while it is uploading().
  void drop_connection() noexcept { backend_.drop(); }
  // What went wrong on the client's side, if anything: then the upstream's failure is only its echo.
  std::optional<Reply> client_problem() const noexcept { return client_problem_; }
  // For a tunnel: what carries it, with the bytes that came behind the 101, and the hold on its endpoint.
  TunnelBackend take_backend(config::OptionalDuration write_idle) { return backend_.take_for_tunnel(write_idle); }
  upstream::Picked take_picked() noexcept { return std::move(backend_.picked()); }

 private:
  Awaitable<Failure> connect(upstream::Picked&& picked);
  Awaitable<Failure> open_for_tunnel();
  Failure explain(Failure failure) const;
  Failure wants_http1();
  // The head, and the body as far as it is there; the rest goes on by itself.
  Failure send_request(bool keep_body);
  // Passes 1xx on; a 101 is left like a final head.
  Awaitable<Failure> read_response_head();
  void wait_begins();
  void continue_seen();
  Failure failure_of(ErrorCode error, FailureCode otherwise) const;
  Failure failure_of(const HeadRead& head) const;
  Failure upload_now(bool keep_body);
  ErrorCode send_head(std::string_view payload, bool last);
  ErrorCode send_piece(std::string_view payload, bool last);
  Awaitable<> upload();
  Awaitable<> upload_rest();
  bool take_piece(const BodyPiece& piece);  // false: the upload has failed
  void refuse_client(const Reply& reply);
  void hold(std::string_view payload, bool last);
  void start_upload_task();
  void request_sent();

  void relay_piece(std::size_t size, bool last);
  // Those of the request, or the response, that may go on; null: there are none. `room` is for them.
  using Trailers = std::optional<http::Headers>;
  const http::Headers* request_trailers(Trailers& room) const;
  const http::Headers* response_trailers(Trailers& room) const;
  void endpoint_done();
  void release_connection();
  void on_timeout();
  void on_body_timeout();
  static void on_client_left(void* exchange);

  ClientExchange& client_;
  Services& services_;
  RouteContext& route_;
  HeldBody& held_;
  upstream::Cluster& cluster_;
  std::uint64_t body_received_;      // also what an earlier attempt has read
  BackendConnection backend_;
  tls::Cancellation cancellation_;
  tls::Deadline upstream_deadline_;
  tls::Deadline client_deadline_;

  bool answered_ = false;            // the response head is there
  bool continued_ = false;           // the backend has said 100
  bool upload_running_ = false;
  bool upload_done_ = false;
  bool stop_upload_ = false;
  tls::Waiter upload_finished_;
  std::optional<Reply> client_problem_;
  SpareResponseHeads::Borrowed response_;
  std::vector<std::string_view> response_named_;  // what its Connection named, views into it
};

}  // namespace sluice::proxy
