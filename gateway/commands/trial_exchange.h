// An exchange without a connection: nothing is sent, and what would have been is kept to be looked at. One
// thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gateway/proxy/client_exchange.h"

namespace sluice::commands {

class TrialExchange final : public proxy::ClientExchange {
 public:
  using ClientExchange::ClientExchange;

  // What the client would be answered; 0: nothing yet.
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;

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
                      const http::BodyFraming&) override {
    status = code;
    for (const http::Field& field : headers) fields.emplace_back(field.name, field.value);
    response_started_ = true;
  }
  ErrorCode flush_head() override { return {}; }
  ErrorCode send_body(std::string_view payload, bool, const http::Headers*) override {
    body.append(payload);
    return {};
  }
  ErrorCode send_interim(unsigned, std::string_view, const http::Headers&) override { return {}; }
  bool flushed() const noexcept override { return true; }
  Awaitable<> wait_flushed() override { co_return; }
  ErrorCode write_error() const noexcept override { return {}; }
  bool take_back_response() override { return false; }
  void break_off() override {}
  void close_after() override {}
  void watch_client(tls::Stream::Callback, void*) override {}
  void stop_watching() override {}
  ErrorCode open_tunnel(http::Headers&) override { return {}; }
  bool tunnel_by_status() const noexcept override { return request.version == http::Version::http_2; }
  tls::DuplexPtr take_stream() override { return nullptr; }

 private:
  http::Headers trailers_;
};

}  // namespace sluice::commands
