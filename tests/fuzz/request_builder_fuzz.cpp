// The fields of one request, as nghttp2 lets them pass: what is made of them is, written as HTTP/1.1, the
// same request to its parser.
#include <string>

#include "gateway/http1/request_parser.h"
#include "gateway/http1/serializer.h"
#include "gateway/http2/request_builder.h"
#include "gateway/http2/session.h"
#include "tests/fuzz/check.h"
#include "tests/support/h2_frames.h"

namespace {

using namespace sluice;
using http::ParseError;

constexpr http2::RequestLimits kLimits{.max_line = 200, .max_header_list = 1500, .max_headers = 10};

class Owner final : public http2::SessionEvents {
 public:
  http2::StreamState* began(http2::StreamId) override {
    builder_.begin(kLimits);
    return &stream_;
  }
  bool field(http2::StreamId, http2::StreamState&, std::string_view name, std::string_view value,
             bool) override {
    size_ += name.size() + value.size() + 32;
    const std::string name_copy(name), value_copy(value);  // nothing may point to them
    const bool taken = builder_.add(name_copy, value_copy);
    FUZZ_CHECK(taken == (size_ <= 4 * kLimits.max_header_list));
    return taken;
  }
  void head_done(http2::StreamId, http2::StreamState&, bool, bool last) override {
    http::RequestHead built;
    error = builder_.finish(built, last);
    head = std::move(built);
    done = true;
  }
  void data(http2::StreamId, http2::StreamState&, std::string_view) override {}
  void peer_ended(http2::StreamId, http2::StreamState&) override {}
  void closed(http2::StreamId, http2::StreamState&, http2::Code, bool) override {}
  http2::Due due(http2::StreamId, http2::StreamState&, std::size_t) override { return {}; }
  void take(http2::StreamId, http2::StreamState&, std::size_t, std::string&) override {}
  void settings_came() override {}
  void pong(std::uint64_t) override {}
  void went_away(http2::Code, http2::StreamId) override {}

  bool done = false;
  ParseError error = ParseError::none;
  http::RequestHead head;

 private:
  struct Stream : http2::StreamState {};
  Stream stream_;
  http2::RequestBuilder builder_;
  std::size_t size_ = 0;
};

void check_invariants(const http::RequestHead& head) {
  FUZZ_CHECK(head.version == http::Version::http_2 && head.bytes.empty());
  FUZZ_CHECK(!head.method.empty() && !head.target.empty() && !head.path.empty());
  FUZZ_CHECK(head.path.front() == '/' || head.path == "*" || head.method == "CONNECT");
  FUZZ_CHECK(head.headers.count("Host") == 1 && head.headers.find("Host") == head.authority);
  FUZZ_CHECK(head.headers.count("Cookie") <= 1 && head.headers.count("Content-Length") <= 1);
  for (const auto* name : {"Transfer-Encoding", "Connection", "Upgrade", "Keep-Alive", "Proxy-Connection"}) {
    FUZZ_CHECK(!head.headers.contains(name));
  }
}

void check_written_as_http1(const http::RequestHead& head) {
  http::Headers headers;
  for (const http::Field& field : head.headers) headers.add_view(field.name, field.value);
  const bool chunked = head.body.kind == http::BodyKind::chunked;
  if (chunked) headers.add("Transfer-Encoding", "chunked");
  std::string written;
  http1::append_request_head(written, head.method, head.target, headers);
  // Host and Transfer-Encoding are fields there.
  http1::RequestParser parser(
      {.max_line = kLimits.max_line, .max_head = written.size(), .max_headers = kLimits.max_headers + 2});
  http::RequestHead again;
  const http1::HeadResult result = parser.parse(written, again);
  FUZZ_CHECK(result.state == http1::HeadResult::complete && result.consumed == written.size());
  FUZZ_CHECK(again.method == head.method && again.target == head.target && again.authority == head.authority);
  FUZZ_CHECK(again.path == head.path && again.query == head.query && again.form == head.form);
  FUZZ_CHECK(again.body.kind == head.body.kind && again.body.content_length == head.body.content_length);
  FUZZ_CHECK(again.expect_continue == head.expect_continue);
  FUZZ_CHECK(again.headers.size() == headers.size());
  for (auto left = headers.begin(), right = again.headers.begin(); left != headers.end(); ++left, ++right) {
    FUZZ_CHECK(left->name == right->name && left->value == right->value);
  }
}

}  // namespace

// "+" or "-" in the first line: with or without a body. Then a field a line, with a blank between name and
// value; "\r" stands for a line end in them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace test::h2;
  const std::string_view text = fuzz::as_text(data, size);
  const std::uint8_t flags = text.starts_with("+") ? kEndHeaders : kWhole;
  std::string fields;
  bool first = true;
  fuzz::for_each_line(text, [&](std::string_view line) {
    const std::size_t blank = std::min(line.find(' '), line.size());
    if (!first) fields += field(line.substr(0, blank), line.substr(std::min(blank + 1, line.size())));
    first = false;
  });

  Owner owner;
  http2::Session session({}, owner);
  session.feed(std::string(kPreface) + settings() + headers(1, fields, flags));
  if (!owner.done) return 0;
  if (owner.error == ParseError::none) {
    check_invariants(owner.head);
    check_written_as_http1(owner.head);
  } else {
    FUZZ_CHECK(http::status_of(owner.error) >= 400 && http::status_of(owner.error) < 500);
  }
  return 0;
}
