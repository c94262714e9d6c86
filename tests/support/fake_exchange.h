// A client exchange without a connection: what the gateway sends to the client is noted, for tests of the
// proxy's parts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gateway/proxy/client_exchange.h"

namespace sluice::test {

class FakeExchange final : public proxy::ClientExchange {
 public:
  FakeExchange() : ClientExchange(info, head) {
    info.listener = {std::shared_ptr<void>(), &listener};  // the test may still change it
    info.peer_address = "192.0.2.7";
    head.method = "GET";
    head.target = head.path = "/";
    head.authority = "shop.example:8443";
    head.headers.add("Host", "shop.example:8443");
  }

  // What was sent.
  unsigned status = 0;
  http::BodyFraming framing;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool complete = false;
  int responses = 0;
  bool broken = false;
  bool closes = false;
  // Whether a response that was started is still unsent.
  bool can_take_back = true;

  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (http::equals_ignore_case(key, name)) return value;
    }
    return "(none)";
  }

  proxy::BodyPiece read_body(char*, std::size_t) override {
    proxy::BodyPiece piece;
    piece.last = true;
    return piece;
  }
  Awaitable<> wait_body() override { co_return; }
  void interrupt_wait() override {}
  bool body_complete() const noexcept override { return true; }
  const http::Headers& request_trailers() const noexcept override { return trailers_; }
  void start_response(unsigned code, std::string_view, http::Headers& headers,
                      const http::BodyFraming& body_framing) override {
    status = code;
    framing = body_framing;
    fields.clear();
    for (const http::Field& each : headers) fields.emplace_back(each.name, each.value);
    response_started_ = true;
    ++responses;
  }
  ErrorCode flush_head() override { return {}; }
  ErrorCode send_body(std::string_view payload, bool last, const http::Headers*) override {
    body.append(payload);
    complete = last;
    return {};
  }
  ErrorCode send_interim(unsigned, std::string_view, const http::Headers&) override { return {}; }
  bool flushed() const noexcept override { return true; }
  Awaitable<> wait_flushed() override { co_return; }
  ErrorCode write_error() const noexcept override { return {}; }
  bool take_back_response() override {
    if (can_take_back) response_started_ = false;
    return can_take_back;
  }
  void break_off() override { broken = true; }
  void close_after() override { closes = true; }
  void watch_client(tls::Stream::Callback, void*) override {}
  void stop_watching() override {}
  ErrorCode open_tunnel(http::Headers&) override { return {}; }
  tls::DuplexPtr take_stream() override { return nullptr; }

  config::Listener listener;
  proxy::ConnectionInfo info;
  http::RequestHead head;

 private:
  http::Headers trailers_;
};

}  // namespace sluice::test
