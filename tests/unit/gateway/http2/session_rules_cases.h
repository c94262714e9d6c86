// What RFC 9113 and RFC 7541 forbid, and some of what they allow, section by section: what a client sends,
// and what must come back. Played by session_rules_test.cpp; a new case is one more line.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http2/codes.h"
#include "tests/support/h2_frames.h"

namespace sluice::http2::rules {
using namespace test::h2;

struct Expected {
  enum Kind { ok, connection, stream } kind = ok;
  Code code = Code::no_error;
  std::uint32_t id = 1;      // for `stream`
  std::size_t requests = 0;  // that must have become complete heads
};

inline Expected ok(std::size_t requests) { return {Expected::ok, Code::no_error, 0, requests}; }
inline Expected goes_away(Code code) { return {Expected::connection, code, 0, 0}; }
inline Expected resets(Code code, std::uint32_t id = 1) { return {Expected::stream, code, id, 0}; }

struct Case {
  std::string_view section, title;
  std::string frames;  // behind the preface and SETTINGS
  Expected expected;
  std::string preface = std::string(kPreface) + settings();
};

inline std::string priority_update(std::uint32_t of, std::uint32_t on = 0) { return frame(0x10, kNone, on, number(of, 4) + "u=1"); }
inline std::string get(std::uint32_t id = 1) { return headers(id, block(request())); }
inline std::string post(std::uint32_t id = 1, const Fields& more = {}) {
  return headers(id, block(request("POST", more)), kEndHeaders);
}
inline std::string get_with(const Fields& more) { return headers(1, block(request("GET", more))); }
inline std::string only(const Fields& fields) { return headers(1, block(fields)); }
inline std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}
inline std::string padded(std::uint8_t type, std::uint8_t flags, std::string_view content, int pad,
                          std::size_t really) {
  return frame(type, static_cast<std::uint8_t>(flags | kPadded), 1,
               number(static_cast<unsigned>(pad), 1) + std::string(content) + std::string(really, '\0'));
}
inline Fields extended_connect() {
  return {{":method", "CONNECT"},
          {":protocol", "websocket"},
          {":scheme", "https"},
          {":path", "/"},
          {":authority", "a.example"}};
}
inline Fields without(std::string_view name, Fields fields = request()) {
  std::erase_if(fields, [name](const auto& field) { return field.first == name; });
  return fields;
}
inline Fields with_value(std::string_view name, std::string_view value, Fields fields = request()) {
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}
inline Fields twice(std::string_view name) {
  Fields fields = request();
  for (const auto& field : request()) {
    if (field.first == name) fields.push_back(field);
  }
  return fields;
}
// 16,384 bytes and more in one head, within CONTINUATION frames of 1,000.
inline std::string long_head(std::size_t continuations) {
  std::string text = headers(1, block(request()), kEndStream);
  for (std::size_t i = 0; i < continuations; ++i) {
    text += continuation(1, field("x-filler", std::string(900, 'a')),
                         i + 1 == continuations ? kEndHeaders : kNone);
  }
  return text;
}
inline std::string streams(std::uint32_t how_many) {
  std::string text;
  for (std::uint32_t i = 0; i < how_many; ++i) text += post(2 * i + 1);
  return text;
}

inline constexpr Code kProtocol = Code::protocol_error;
inline constexpr Code kFrameSize = Code::frame_size_error;
inline constexpr Code kFlow = Code::flow_control_error;
inline constexpr Code kCompression = Code::compression_error;
inline constexpr Code kClosed = Code::stream_closed;

inline const std::vector<Case>& connection_cases() {
  static const std::vector<Case> cases{
      {"3.4", "preface and SETTINGS", "", ok(0)},
      {"3.4", "another protocol", "", goes_away(kProtocol), "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"},
      {"3.4", "wrong at its last byte", "", goes_away(kProtocol),
       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r" + settings()},
      {"3.4", "no SETTINGS behind it", "", goes_away(kProtocol), std::string(kPreface) + get()},
      {"3.4", "an ACK instead", "", goes_away(kProtocol), std::string(kPreface) + frame(kSettings, kAck, 0)},
      {"4.1", "unknown type", frame(22, 0, 0, "12345678") + get(), ok(1)},
      {"4.1", "undefined flags", frame(kPing, 0xFE & ~kAck, 0, "12345678") + get(), ok(1)},
      {"4.1", "reserved bit", frame(kPing, 0, 0x80000000U, "12345678") + get(), ok(1)},
      {"9218 7.1", "a priority before its request", priority_update(1) + get(), ok(1)},
      // With a frame of a wrong size behind it, which nghttp2 must not see any more.
      {"9218 7.1", "a priority on a stream", priority_update(1, 1) + frame(kPing, 0, 0, "123"), goes_away(kProtocol)},
      {"9218 7.1", "a priority of a push", priority_update(2) + frame(kPing, 0, 0, "123"), goes_away(kProtocol)},
      {"4.2", "DATA of 2^14", post() + data(1, std::string(16384, 'a')), ok(1)},
      {"4.2", "DATA beyond it", post() + data(1, std::string(16385, 'a')), goes_away(kFrameSize)},
      {"4.2", "HEADERS beyond it", headers(1, block(request()) + field("x", std::string(16385, 'a'))),
       goes_away(kFrameSize)},
      {"4.2", "an unknown type beyond it", frame(22, 0, 0, std::string(16385, 'a')), goes_away(kFrameSize)},
      {"4.3", "block that does not decode", headers(1, bytes({0x40})), goes_away(kCompression)},
      {"4.3", "PRIORITY within a block", headers(1, block(request()), kEndStream) + priority(1, 0),
       goes_away(kProtocol)},
      {"4.3", "HEADERS within a block", headers(1, block(request()), kEndStream) + get(3),
       goes_away(kProtocol)},
      {"4.3", "DATA within a block", headers(1, block(request()), kNone) + data(1, "a"),
       goes_away(kProtocol)},
      {"4.3", "RST_STREAM within a block", headers(1, block(request()), kNone) + rst(1, 8),
       goes_away(kProtocol)},
      {"5.4.1", "nothing is answered behind an error", frame(kPing, 0, 0, "1") + get(),
       goes_away(kFrameSize)},
      {"5.5", "unknown type on a stream", post() + frame(0xF0, 0, 1, "x") + data(1, "a"), ok(1)},
      {"5.5", "unknown type within a block", headers(1, block(request()), kEndStream) + frame(22, 0, 1, "x"),
       goes_away(kProtocol)},
      {"6.5", "ACK with a payload", frame(kSettings, kAck, 0, std::string(6, '\0')), goes_away(kFrameSize)},
      {"6.5", "on a stream", frame(kSettings, 0, 1, ""), goes_away(kProtocol)},
      {"6.5", "length is no multiple of 6", frame(kSettings, 0, 0, "123"), goes_away(kFrameSize)},
      {"6.5.2", "ENABLE_PUSH 2", settings({{2, 2}}), goes_away(kProtocol)},
      {"6.5.2", "INITIAL_WINDOW_SIZE 2^31", settings({{4, 0x80000000U}}), goes_away(kFlow)},
      {"6.5.2", "INITIAL_WINDOW_SIZE 2^31 - 1", settings({{4, 0x7FFFFFFFU}}) + get(), ok(1)},
      {"6.5.2", "MAX_FRAME_SIZE 16383", settings({{5, 16383}}), goes_away(kProtocol)},
      {"6.5.2", "MAX_FRAME_SIZE 2^24", settings({{5, 1 << 24}}), goes_away(kProtocol)},
      {"6.5.2", "MAX_FRAME_SIZE 2^24 - 1", settings({{5, (1 << 24) - 1}}) + get(), ok(1)},
      {"6.5.2", "unknown setting", settings({{0xFF, 1}}) + get(), ok(1)},
      {"8441 3", "ENABLE_CONNECT_PROTOCOL 2", settings({{8, 2}}), goes_away(kProtocol)},
      {"9218 2.1", "NO_RFC7540_PRIORITIES 2", settings({{9, 2}}), goes_away(kProtocol)},
      {"6.5.3", "a setting repeated", settings({{4, 100}, {4, 1}}) + get(), ok(1)},
      {"6.5.3", "ACK when there is nothing to acknowledge",
       frame(kSettings, kAck, 0) + frame(kSettings, kAck, 0) + get(), goes_away(kProtocol)},
      {"6.7", "PING", ping(1) + get(), ok(1)},
      {"6.7", "PING with ACK", ping(1, kAck) + get(), ok(1)},
      {"6.7", "PING on a stream", frame(kPing, 0, 1, "12345678"), goes_away(kProtocol)},
      {"6.7", "PING of 6 bytes", frame(kPing, 0, 0, "123456"), goes_away(kFrameSize)},
      {"6.7", "PING of 9 bytes", frame(kPing, 0, 0, "123456789"), goes_away(kFrameSize)},
      {"6.8", "GOAWAY on a stream", frame(kGoaway, 0, 1, std::string(8, '\0')), goes_away(kProtocol)},
      {"6.8", "GOAWAY too short", frame(kGoaway, 0, 0, std::string(7, '\0')), goes_away(kFrameSize)},
      {"6.9", "WINDOW_UPDATE of 0", window(0, 0), goes_away(kProtocol)},
      {"6.9", "WINDOW_UPDATE of 3 bytes", frame(kWindowUpdate, 0, 0, "123"), goes_away(kFrameSize)},
      {"6.9.1", "window beyond 2^31 - 1", window(0, 0x7FFFFFFFU) + window(0, 0x7FFFFFFFU), goes_away(kFlow)},
      {"8.4", "PUSH_PROMISE from a client",
       frame(kPushPromise, kEndHeaders, 1, number(2, 4) + block(request())), goes_away(kProtocol)},
      {"8.4", "PUSH_PROMISE on an open stream",
       post() + frame(kPushPromise, kEndHeaders, 1, number(2, 4) + block(request())), goes_away(kProtocol)},
  };
  return cases;
}

inline const std::vector<Case>& stream_cases() {
  static const std::vector<Case> cases{
      {"5.1", "idle: DATA", data(1, "a"), goes_away(kProtocol)},
      {"5.1", "idle: RST_STREAM", rst(1, 8), goes_away(kProtocol)},
      {"5.1", "idle: WINDOW_UPDATE", window(1, 100), goes_away(kProtocol)},
      {"5.1", "idle: CONTINUATION", continuation(1, block(request())), goes_away(kProtocol)},
      {"5.1", "idle: PRIORITY", priority(3, 0) + get(), ok(1)},
      {"5.1", "idle, of the server: DATA", data(2, "a"), goes_away(kProtocol)},
      {"5.1", "idle, of the server: WINDOW_UPDATE", window(2, 1), goes_away(kProtocol)},
      {"5.1", "half-closed (remote): DATA", get() + data(1, "a"), goes_away(kClosed)},
      {"5.1", "half-closed (remote): empty DATA", get() + data(1, "", kNone), goes_away(kClosed)},
      {"5.1", "half-closed (remote) by DATA: DATA", post() + data(1, "a") + data(1, "a"), goes_away(kClosed)},
      {"5.1", "half-closed (remote): HEADERS", get() + get(), goes_away(kClosed)},
      {"5.1", "half-closed (remote) by trailers: trailers",
       post() + headers(1, field("x-sum", "1")) + headers(1, field("x-sum", "1")), goes_away(kClosed)},
      {"5.1", "half-closed (remote): CONTINUATION", get() + continuation(1, block(request())),
       goes_away(kProtocol)},
      {"5.1", "half-closed (remote): WINDOW_UPDATE, PRIORITY, RST_STREAM",
       get() + window(1, 1) + priority(1, 0) + rst(1, 8), ok(1)},
      {"5.1", "closed by RST_STREAM: DATA", post() + rst(1, 8) + data(1, "a"), goes_away(kClosed)},
      {"5.1", "closed by RST_STREAM: HEADERS", post() + rst(1, 8) + headers(1, block(request())),
       goes_away(kClosed)},
      {"5.1", "closed by RST_STREAM: CONTINUATION", post() + rst(1, 8) + continuation(1, block(request())),
       goes_away(kProtocol)},
      {"5.1", "closed by RST_STREAM: WINDOW_UPDATE, PRIORITY, RST_STREAM",
       post() + rst(1, 8) + window(1, 1) + priority(1, 0) + rst(1, 8), ok(1)},
      {"5.1", "closed by RST_STREAM, others since", post() + rst(1, 8) + get(3) + get(5) + data(1, "a"),
       goes_away(kClosed)},
      {"5.1.1", "even id", get(2), goes_away(kProtocol)},
      {"5.1.1", "even id below the highest", get(5) + get(2), goes_away(kProtocol)},
      {"5.1.1", "id below the highest", get(5) + get(3), goes_away(kProtocol)},
      {"5.1.1", "DATA on one that was skipped", get(5) + data(3, "a"), goes_away(kProtocol)},
      {"5.1.1", "highest id", get(0x7FFFFFFFU), ok(1)},
      {"5.1.2", "as many as allowed", streams(128), ok(128)},
      {"5.1.2", "one more, SETTINGS not acknowledged", streams(129), resets(Code::refused_stream, 257)},
      {"5.1.2", "trailers of one that was refused", streams(129) + headers(257, field("x-sum", "1")),
       resets(Code::refused_stream, 257)},
      {"5.1.2", "one more, SETTINGS acknowledged", frame(kSettings, kAck, 0) + streams(129),
       goes_away(kProtocol)},
      {"5.3.1", "HEADERS depend on themselves",
       headers(1, number(1, 4) + number(16, 1) + block(request()), kWhole | kHasPriority),
       goes_away(kProtocol)},
      {"5.3.1", "PRIORITY depends on itself", priority(1, 1), goes_away(kProtocol)},
      {"5.3.1", "PRIORITY of an open stream depends on itself", post() + priority(1, 0x80000001U),
       goes_away(kProtocol)},
      {"6.1", "DATA on stream 0", data(0, "a"), goes_away(kProtocol)},
      {"6.1", "padding as long as the payload", post() + padded(kData, kEndStream, "", 4, 3),
       goes_away(kProtocol)},
      {"6.1", "padded and empty", post() + frame(kData, kPadded, 1, ""), goes_away(kProtocol)},
      {"6.1", "padding that fits", post() + padded(kData, kEndStream, "abc", 3, 3), ok(1)},
      {"6.1", "nothing but padding", post() + padded(kData, kEndStream, "", 3, 3), ok(1)},
      {"6.2", "HEADERS on stream 0", get(0), goes_away(kProtocol)},
      {"6.2", "padding longer than the block", padded(kHeaders, kWhole, block(request()), 255, 0),
       goes_away(kProtocol)},
      {"6.2", "padding that fits", padded(kHeaders, kWhole, block(request()), 3, 3), ok(1)},
      {"6.2", "with a priority",
       headers(1, number(0, 4) + number(16, 1) + block(request()), kWhole | kHasPriority), ok(1)},
      {"6.2", "too short for its priority", headers(1, "123", kWhole | kHasPriority), goes_away(kFrameSize)},
      {"6.3", "PRIORITY on stream 0", priority(0, 1), goes_away(kProtocol)},
      {"6.3", "PRIORITY of 4 bytes", frame(kPriority, 0, 1, "1234"), goes_away(kFrameSize)},
      {"6.3", "PRIORITY of 6 bytes", frame(kPriority, 0, 1, "123456"), goes_away(kFrameSize)},
      {"6.4", "RST_STREAM on stream 0", rst(0, 8), goes_away(kProtocol)},
      {"6.4", "RST_STREAM of 3 bytes", post() + frame(kRstStream, 0, 1, "123"), goes_away(kFrameSize)},
      {"6.9", "WINDOW_UPDATE of 0 on a stream", post() + window(1, 0), goes_away(kProtocol)},
      {"6.9.1", "window of a stream beyond 2^31 - 1", post() + window(1, 0x7FFFFFFFU), resets(kFlow)},
      {"6.9.2", "windows moved beyond 2^31 - 1",
       post() + window(1, 0x7FFF0000U) + settings({{4, 0x7FFFFFFFU}}), goes_away(kFlow)},
      {"6.10", "several CONTINUATION frames", long_head(8), ok(1)},
      {"6.10", "more than any head needs", long_head(9), goes_away(Code::enhance_your_calm)},
      {"6.10", "a block cut within a field",
       headers(1, block(request()).substr(0, 20), kEndStream) + continuation(1, block(request()).substr(20)),
       ok(1)},
      {"6.10", "empty CONTINUATION", headers(1, block(request()), kEndStream) + continuation(1, ""), ok(1)},
      {"6.10", "for another stream", headers(1, block(request()), kEndStream) + continuation(3, ""),
       goes_away(kProtocol)},
      {"6.10", "on stream 0", headers(1, block(request()), kEndStream) + continuation(0, ""),
       goes_away(kProtocol)},
      {"6.10", "another frame behind it",
       headers(1, block(request()), kEndStream) + continuation(1, "", kNone) + data(1, "a"),
       goes_away(kProtocol)},
      {"6.10", "behind the end of the block", post() + continuation(1, ""), goes_away(kProtocol)},
      {"6.10", "behind its own end",
       headers(1, block(request()), kNone) + continuation(1, "") + continuation(1, ""), goes_away(kProtocol)},
      {"6.10", "behind DATA", post() + data(1, "a", kNone) + continuation(1, ""), goes_away(kProtocol)},
      {"7", "RST_STREAM with an unknown code", post() + rst(1, 0xFF), ok(1)},
      {"8.1", "trailers that do not end the stream", post() + headers(1, field("x-sum", "1"), kEndHeaders),
       resets(kProtocol)},
      {"8.1", "trailers", post() + data(1, "a", kNone) + headers(1, field("x-sum", "1")), ok(1)},
  };
  return cases;
}

inline const std::vector<Case>& message_cases() {
  static const std::vector<Case> cases{
      {"8.2", "upper case", get_with({{"X-Test", "1"}}), resets(kProtocol)},
      {"8.2.1", "space in a name", get_with({{"x test", "1"}}), resets(kProtocol)},
      {"8.2.1", "colon in a name", get_with({{"x:test", "1"}}), resets(kProtocol)},
      {"8.2.1", "control character in a name", get_with({{"x\x01", "1"}}), resets(kProtocol)},
      {"8.2.1", "obs-text in a name", get_with({{"x\xff", "1"}}), resets(kProtocol)},
      {"8.2.1", "empty name", get_with({{"", "1"}}), resets(kProtocol)},
      {"8.2.1", "NUL in a value", get_with({{"x", std::string("a\0b", 3)}}), resets(kProtocol)},
      {"8.2.1", "CR in a value", get_with({{"x", "a\rb"}}), resets(kProtocol)},
      {"8.2.1", "LF in a value", get_with({{"x", "a\nb: c"}}), resets(kProtocol)},
      {"8.2.1", "DEL in a value", get_with({{"x", "a\x7f"}}), resets(kProtocol)},
      {"8.2.1", "leading space", get_with({{"x", " a"}}), resets(kProtocol)},
      {"8.2.1", "trailing tab", get_with({{"x", "a\t"}}), resets(kProtocol)},
      {"8.2.1", "obs-text in a value", get_with({{"x", "a\xff"}}), ok(1)},
      {"8.2.1", "empty value", get_with({{"x", ""}}), ok(1)},
      {"8.2.2", "connection", get_with({{"connection", "keep-alive"}}), resets(kProtocol)},
      {"8.2.2", "proxy-connection", get_with({{"proxy-connection", "keep-alive"}}), resets(kProtocol)},
      {"8.2.2", "keep-alive", get_with({{"keep-alive", "1"}}), resets(kProtocol)},
      {"8.2.2", "transfer-encoding", get_with({{"transfer-encoding", "chunked"}}), resets(kProtocol)},
      {"8.2.2", "upgrade", get_with({{"upgrade", "websocket"}}), resets(kProtocol)},
      {"8.2.2", "te", get_with({{"te", "trailers, deflate"}}), resets(kProtocol)},
      {"8.2.2", "te: trailers", get_with({{"te", "trailers"}}), ok(1)},
      {"8.3", "unknown pseudo field", get_with({{":test", "1"}}), resets(kProtocol)},
      {"8.3", "pseudo field of responses", get_with({{":status", "200"}}), resets(kProtocol)},
      {"8.3", "pseudo field behind a regular one",
       only({{":method", "GET"},
             {":scheme", "https"},
             {"x", "1"},
             {":path", "/"},
             {":authority", "a.example"}}),
       resets(kProtocol)},
      {"8.3", "pseudo field in trailers", post() + headers(1, field(":method", "GET")), resets(kProtocol)},
      {"8.3", "unknown pseudo field in trailers", post() + headers(1, field(":x", "1")), resets(kProtocol)},
      {"8.1", "upper case in trailers", post() + headers(1, field("X", "1")), resets(kProtocol)},
      {"8.2.2", "connection-specific field in trailers",
       post() + headers(1, field("transfer-encoding", "chunked")), resets(kProtocol)},
      {"8.3.1", "empty :path", only(with_value(":path", "")), resets(kProtocol)},
      {"8.3.1", ":path with a space", only(with_value(":path", "/a b")), resets(kProtocol)},
      {"8.3.1", ":path without a slash", only(with_value(":path", "a")), resets(kProtocol)},
      {"8.3.1", ":path *, not OPTIONS", only(with_value(":path", "*")), resets(kProtocol)},
      {"8.3.1", ":method with a space", only(with_value(":method", "GET /")), resets(kProtocol)},
      {"8.3.1", "empty :method", only(with_value(":method", "")), resets(kProtocol)},
      {"8.3.1", ":scheme with a slash", only(with_value(":scheme", "https://x/")), resets(kProtocol)},
      {"8.3.1", ":authority with a slash", only(with_value(":authority", "a.example/b")), resets(kProtocol)},
      {"8.3.1", "no :method", only(without(":method")), resets(kProtocol)},
      {"8.3.1", "no :scheme", only(without(":scheme")), resets(kProtocol)},
      {"8.3.1", "no :path", only(without(":path")), resets(kProtocol)},
      {"8.3.1", "neither :authority nor host", only(without(":authority")), resets(kProtocol)},
      {"8.3.1", "host alone",
       only({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "a.example"}}), ok(1)},
      {"8.3.1", ":method twice", only(twice(":method")), resets(kProtocol)},
      {"8.3.1", ":scheme twice", only(twice(":scheme")), resets(kProtocol)},
      {"8.3.1", ":path twice", only(twice(":path")), resets(kProtocol)},
      {"8.3.1", ":authority twice", only(twice(":authority")), resets(kProtocol)},
      {"8.3.1", "host twice", get_with({{"host", "a.example"}, {"host", "a.example"}}), resets(kProtocol)},
      {"8.3.1", "no fields at all", headers(1, ""), resets(kProtocol)},
      {"8.5", "CONNECT", only({{":method", "CONNECT"}, {":authority", "a.example:443"}}), ok(1)},
      {"8.5", "CONNECT with :path",
       only({{":method", "CONNECT"}, {":path", "/"}, {":authority", "a.example:443"}}), resets(kProtocol)},
      {"8.5", "CONNECT without :authority", only({{":method", "CONNECT"}}), resets(kProtocol)},
      {"8441 4", "CONNECT with :protocol", only(extended_connect()), ok(1)},
      {"8441 4", "the same without :path", only(without(":path", extended_connect())), resets(kProtocol)},
      {"8441 4", "without :scheme", only(without(":scheme", extended_connect())), resets(kProtocol)},
      {"8441 4", "without :authority", only(without(":authority", extended_connect())), resets(kProtocol)},
      {"8441 4", ":protocol of a GET", only(with_value(":method", "GET", extended_connect())), resets(kProtocol)},
      {"8441 4", "an empty :protocol", only(with_value(":protocol", "", extended_connect())), resets(kProtocol)},
      {"8.1.1", "content-length 1, END_STREAM at once", get_with({{"content-length", "1"}}),
       resets(kProtocol)},
      {"8.1.1", "less DATA than content-length", post(1, {{"content-length", "5"}}) + data(1, "abc"),
       resets(kProtocol)},
      {"8.1.1", "more DATA than content-length", post(1, {{"content-length", "2"}}) + data(1, "abc"),
       resets(kProtocol)},
      {"8.1.1", "more DATA, in several frames",
       post(1, {{"content-length", "2"}}) + data(1, "ab", kNone) + data(1, "c"), resets(kProtocol)},
      {"8.1.1", "less DATA, then trailers",
       post(1, {{"content-length", "5"}}) + data(1, "abc", kNone) + headers(1, field("x", "1")),
       resets(kProtocol)},
      {"8.1.1", "as much DATA",
       post(1, {{"content-length", "4"}}) + data(1, "ab", kNone) + padded(kData, kEndStream, "cd", 3, 3),
       ok(1)},
      {"8.1.1", "content-length twice",
       post(1, {{"content-length", "1"}, {"content-length", "1"}}) + data(1, "a"), resets(kProtocol)},
      {"8.1.1", "content-length that is no number", post(1, {{"content-length", "+1"}}) + data(1, "a"),
       resets(kProtocol)},
      {"8.1.1", "content-length list", post(1, {{"content-length", "1, 1"}}) + data(1, "a"),
       resets(kProtocol)},
      {"8.1.1", "content-length beyond 2^63", post(1, {{"content-length", "9223372036854775808"}}),
       resets(kProtocol)},
      {"8.1.1", "a stream error leaves others alone", get_with({{"X", "1"}}) + get(3), resets(kProtocol)},
  };
  return cases;
}

inline const std::vector<Case>& compression_cases() {
  const auto behind = [](std::string_view more) { return headers(1, block(request()) + std::string(more)); };
  const std::string indexed = bytes({0x82, 0x87, 0x84}) + bytes({0x41}) +
                              literal("a.example");  // :method GET, :scheme https, :path /
  static const std::vector<Case> cases{
      {"7541 2.3.3", "index that is not there", behind(bytes({0xFF, 0x50})), goes_away(kCompression)},
      {"7541 2.3.3", "name index that is not there", behind(bytes({0x7F, 0x50}) + literal("x")),
       goes_away(kCompression)},
      {"7541 4.2", "size update at the end of a block", behind(bytes({0x3F, 0xE1, 0x1F})),
       goes_away(kCompression)},
      {"7541 4.2", "size update at the beginning", headers(1, bytes({0x20}) + block(request())), ok(1)},
      {"7541 4.2", "two of them", headers(1, bytes({0x20, 0x3F, 0xE1, 0x1F}) + block(request())), ok(1)},
      {"7541 5.1", "integer without an end",
       behind(bytes({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})),
       goes_away(kCompression)},
      {"7541 5.2", "Huffman padding of more than 7 bits",
       behind(bytes({0x00, 0x81, 0xF3, 0x83, 0x1F, 0xFF, 0xFF})), goes_away(kCompression)},
      {"7541 5.2", "Huffman padding of zeros", behind(bytes({0x00, 0x81, 0xF0, 0x81, 0x18})),
       goes_away(kCompression)},
      {"7541 5.2", "Huffman with EOS", behind(bytes({0x00, 0x81, 0xF3, 0x84, 0xFF, 0xFF, 0xFF, 0xFF})),
       goes_away(kCompression)},
      {"7541 5.2", "Huffman", behind(bytes({0x00, 0x81, 0xF3, 0x81, 0x1F})), ok(1)},
      {"7541 5.2", "literal longer than the block", behind(bytes({0x00, 0x01, 'x', 0x7F, 0x00})),
       goes_away(kCompression)},
      {"7541 6.1", "index 0", behind(bytes({0x80})), goes_away(kCompression)},
      {"7541 6.1", "indexed fields", headers(1, indexed), ok(1)},
      {"7541 6.1", "a field of the dynamic table",
       headers(1, indexed) + headers(3, bytes({0x82, 0x87, 0x84, 0xBE})), ok(2)},
      {"7541 6.2.3", "never indexed", behind(bytes({0x10}) + literal("x") + literal("y")), ok(1)},
      {"7541 6.3", "size update beyond the setting", headers(1, bytes({0x3F, 0xE2, 0x1F}) + block(request())),
       goes_away(kCompression)},
      {"7541 2.2", "the table goes on over a refused stream",
       headers(1, block({{"X", "1"}}) + indexed) + headers(3, bytes({0x82, 0x87, 0x84, 0xBE})),
       resets(kProtocol)},
      {"7541 2.2", "the table goes on over a closed stream",
       post() + window(1, 0x7FFFFFFFU) + headers(1, bytes({0x40}) + literal("x") + literal("y")) +
           headers(3, block(request()) + bytes({0xBE})),
       resets(kFlow)},
  };
  return cases;
}

}  // namespace sluice::http2::rules
