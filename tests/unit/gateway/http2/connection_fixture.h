// A connection of a client that speaks frames, and what it hears.
#pragma once

#include <gmock/gmock.h>

#include <optional>

#include "gateway/http2/connection.h"
#include "tests/support/h2_frames.h"
#include "tests/support/io_harness.h"
#include "tests/unit/gateway/http2/read_stream.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using test::h2::Frame;
using tls::StreamError;
namespace h2 = test::h2;

class ConnectionTest : public ::testing::Test, public ConnectionOwner {
 protected:
  void open(int buffer = 0, std::uint32_t max_streams = 4, config::OptionalRate max_resets = SessionRules{}.max_resets) {
    auto [stream, peer] = harness_.plain_stream(buffer);
    peer_ = std::move(peer);
    SessionRules rules;
    rules.max_streams = max_streams;
    rules.max_resets = max_resets;
    connection_ = std::make_unique<Connection>(std::move(stream), rules, RequestLimits{}, metrics_, *this);
    connection_->start();
    say(std::string(h2::kPreface) + h2::settings());
  }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      bytes.remove_prefix(peer_.send_some(bytes));
      harness_.settle();
      hear();
    }
    harness_.settle();
    hear();
  }
  // A request; its stream.
  Stream& ask(StreamId id, std::string_view method = "GET", std::uint8_t flags = h2::kWhole) {
    say(h2::headers(static_cast<std::uint32_t>(id), h2::block(h2::request(method)), flags));
    return stream(id);
  }
  Stream& stream(StreamId id) {
    for (Arrival& arrival : arrivals_) {
      if (arrival.stream && arrival.stream->id() == id) return *arrival.stream;
    }
    throw std::out_of_range("no such stream");
  }
  void let_go(StreamId id) {
    for (Arrival& arrival : arrivals_) {
      if (arrival.stream && arrival.stream->id() == id) arrival.stream.reset();
    }
    harness_.settle();
    hear();
  }
  void hear() {
    heard_ += peer_.receive();
    std::string_view rest;
    for (Frame& frame : h2::split(heard_, &rest)) frames_.push_back(std::move(frame));
    heard_ = std::string(rest);
  }
  // What came on a stream, by type.
  std::vector<Frame> heard(StreamId id, std::uint8_t type) {
    harness_.settle();
    hear();
    std::vector<Frame> found;
    for (const Frame& frame : frames_) {
      if (frame.stream == static_cast<std::uint32_t>(id) && frame.type == type) found.push_back(frame);
    }
    return found;
  }
  std::string body(StreamId id) {
    std::string all;
    for (const Frame& frame : heard(id, h2::kData)) all += frame.payload;
    return all;
  }
  bool ended(StreamId id) {
    for (const std::uint8_t type : {h2::kData, h2::kHeaders}) {
      for (const Frame& frame : heard(id, type)) {
        if ((frame.flags & h2::kEndStream) != 0) return true;
      }
    }
    return false;
  }
  // Answered before its end has come, and let go of.
  void overtake(std::string_view method) {
    open();
    ask(1, method, h2::kEndHeaders).respond(413, fields_, false);
    let_go(1);
  }
  static Code code_of(const Frame& frame) { return static_cast<Code>(frame.number_at(0, 4)); }
  // With which code it is reset, sooner or later.
  std::optional<Code> reset_in_time(StreamId id) {
    if (!harness_.run_until([&] { return !heard(id, h2::kRstStream).empty(); })) return std::nullopt;
    return code_of(heard(id, h2::kRstStream)[0]);
  }
  std::string read(Stream& stream) { return read_stream(stream, last_); }

  void request_came(Arrival arrival) override { arrivals_.push_back(std::move(arrival)); }
  void request_violated(metrics::Http2Violation violation) override { violations_.push_back(violation); }
  void turn_ended() override { ++turns_; }
  void connection_ended(ErrorCode error) override {
    ++ends_;
    end_error_ = error;
  }

  test::IoHarness harness_;
  metrics::Registry registry_{1};
  metrics::Http2Metrics metrics_{registry_, 0};
  test::Peer peer_;
  std::unique_ptr<Connection> connection_;
  std::vector<Arrival> arrivals_;
  std::vector<metrics::Http2Violation> violations_;  // of single requests
  std::vector<Frame> frames_;
  std::string heard_;
  http::Headers fields_;
  ErrorCode last_, end_error_;
  int turns_ = 0, ends_ = 0;
};

}  // namespace sluice::http2
