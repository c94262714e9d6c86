// A request head is read the same however it is split, and what is taken survives being written anew.
#include <string>

#include "gateway/http1/request_parser.h"
#include "gateway/http1/serializer.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using http1::HeadResult;

void check_same(const http::RequestHead& a, const http::RequestHead& b) {
  FUZZ_CHECK(a.method == b.method && a.target == b.target && a.authority == b.authority);
  FUZZ_CHECK(a.path == b.path && a.query == b.query && a.form == b.form);
  FUZZ_CHECK(a.body.kind == b.body.kind && a.body.content_length == b.body.content_length);
  FUZZ_CHECK(a.headers.size() == b.headers.size());
  for (auto left = a.headers.begin(), right = b.headers.begin(); left != a.headers.end(); ++left, ++right) {
    FUZZ_CHECK(left->name == right->name && left->value == right->value);
  }
}

void check_invariants(const http::RequestHead& head) {
  FUZZ_CHECK(!head.method.empty() && !head.target.empty() && !head.path.empty());
  FUZZ_CHECK(head.query.empty() || head.query.front() == '?');
  FUZZ_CHECK(head.version == http::Version::http_1_0 || !head.authority.empty());
  FUZZ_CHECK(head.headers.count("Host") <= 1 && head.headers.count("Content-Length") <= 1);
  FUZZ_CHECK(!head.headers.contains("Content-Length") || !head.headers.contains("Transfer-Encoding"));
  FUZZ_CHECK((head.body.kind == http::BodyKind::chunked) == head.headers.contains("Transfer-Encoding"));
  for (const http::Field& field : head.headers) {
    FUZZ_CHECK(!field.name.empty() && field.name.find_first_of(": \t\r\n") == std::string_view::npos);
    FUZZ_CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
}

void check_written_anew(const http::RequestHead& head) {
  std::string written;
  http1::append_request_head(written, head.method, head.target, head.headers);
  http1::RequestParser parser({.max_line = written.size(), .max_head = written.size(), .max_headers = 1000});
  http::RequestHead again;
  const HeadResult result = parser.parse(written, again);
  if (head.version == http::Version::http_1_0) return;  // written as 1.1, which asks for more
  FUZZ_CHECK(result.state == HeadResult::complete && result.consumed == written.size());
  check_same(head, again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  const http1::HeadLimits limits{.max_line = 200, .max_head = 1000, .max_headers = 10};
  http1::RequestParser parser(limits);
  http::RequestHead whole;
  const HeadResult expected = parser.parse(bytes, whole);

  http1::RequestParser dripping(limits);
  http::RequestHead dripped;
  fuzz::Pieces pieces(bytes);
  HeadResult result;
  for (std::size_t have = 0; have < bytes.size() && result.state == HeadResult::incomplete;) {
    have += pieces.next(bytes.size() - have);
    // Memory of its own for each step: nothing may point into the one before.
    const std::string copy(bytes.substr(0, have));
    result = dripping.parse(copy, dripped);
  }
  FUZZ_CHECK(result.state == expected.state && result.error == expected.error);
  FUZZ_CHECK(result.consumed == expected.consumed && result.consumed <= bytes.size());
  if (expected.state == HeadResult::complete) {
    check_same(whole, dripped);
    check_invariants(whole);
    check_written_anew(whole);
  }
  return 0;
}
