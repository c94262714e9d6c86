// A response head is read the same however it is split, and what is taken survives being written anew.
#include <string>

#include "gateway/http1/response_parser.h"
#include "gateway/http1/serializer.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using http1::HeadResult;

void check_same(const http::ResponseHead& a, const http::ResponseHead& b) {
  FUZZ_CHECK(a.status == b.status && a.reason == b.reason);
  FUZZ_CHECK(a.body.kind == b.body.kind && a.body.content_length == b.body.content_length);
  FUZZ_CHECK(a.headers.size() == b.headers.size());
  for (auto left = a.headers.begin(), right = b.headers.begin(); left != a.headers.end(); ++left, ++right) {
    FUZZ_CHECK(left->name == right->name && left->value == right->value);
  }
}

void check_invariants(const http::ResponseHead& head, std::string_view method) {
  FUZZ_CHECK(head.status >= 100 && head.status <= 599);
  FUZZ_CHECK(head.headers.count("Content-Length") <= 1);
  FUZZ_CHECK(!head.headers.contains("Content-Length") || !head.headers.contains("Transfer-Encoding"));
  FUZZ_CHECK(head.body.kind != http::BodyKind::until_close || !head.keep_alive);
  const bool bodiless = method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304;
  FUZZ_CHECK(!bodiless || head.body.kind == http::BodyKind::none);
}

void check_written_anew(const http::ResponseHead& head, std::string_view method) {
  std::string written;
  http1::append_response_head(written, head.status, head.reason, head.headers);
  http1::ResponseParser parser({.max_line = written.size(), .max_head = written.size(), .max_headers = 1000});
  http::ResponseHead again;
  const HeadResult result = parser.parse(written, method, again);
  FUZZ_CHECK(result.state == HeadResult::complete && result.consumed == written.size());
  check_same(head, again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view method = data[0] % 2 == 0 ? "GET" : "HEAD";
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  const http1::HeadLimits limits{.max_line = 100, .max_head = 1000, .max_headers = 10};
  http1::ResponseParser parser(limits);
  http::ResponseHead whole;
  const HeadResult expected = parser.parse(bytes, method, whole);

  http1::ResponseParser dripping(limits);
  http::ResponseHead dripped;
  fuzz::Pieces pieces(bytes);
  HeadResult result;
  for (std::size_t have = 0; have < bytes.size() && result.state == HeadResult::incomplete;) {
    have += pieces.next(bytes.size() - have);
    const std::string copy(bytes.substr(0, have));
    result = dripping.parse(copy, method, dripped);
  }
  FUZZ_CHECK(result.state == expected.state && result.error == expected.error);
  FUZZ_CHECK(result.consumed == expected.consumed && result.consumed <= bytes.size());
  if (expected.state == HeadResult::complete) {
    check_same(whole, dripped);
    check_invariants(whole, method);
    check_written_anew(whole, method);
  }
  return 0;
}
