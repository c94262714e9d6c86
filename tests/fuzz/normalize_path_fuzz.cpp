// A normalised path is a fixed point without anything in it that could be read in two ways; authorities hold
// what they say.
#include <string>

#include "gateway/http/uri.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

void check_path(std::string_view path) {
  std::string storage;
  const http::NormalizedPath normal = http::normalize_path(path, storage);
  FUZZ_CHECK(!http::name_of(normal.error).empty());
  if (normal.error != http::PathError::none) return;
  FUZZ_CHECK(normal.path.size() <= path.size());
  std::string again_storage;
  const http::NormalizedPath again = http::normalize_path(normal.path, again_storage);
  FUZZ_CHECK(again.error == http::PathError::none && again.path == normal.path);
  FUZZ_CHECK(again.path.data() == normal.path.data());  // already canonical: no copy
  if (normal.path == "*") return;
  FUZZ_CHECK(normal.path.front() == '/');
  const std::string closed = std::string(normal.path) + "/";
  FUZZ_CHECK(!holds(normal.path, "//") && !holds(closed, "/./") && !holds(closed, "/../"));
  FUZZ_CHECK(!holds(normal.path, "%2F") && !holds(normal.path, "%2f") && !holds(normal.path, "%00"));
  FUZZ_CHECK(!holds(normal.path, "\\") && !holds(normal.path, "%5C") && !holds(normal.path, "?"));
}

void check_authority(std::string_view text) {
  const auto authority = http::parse_authority(text);
  if (!authority) return;
  FUZZ_CHECK(!authority->host.empty());
  std::string rebuilt(authority->host);
  if (authority->ipv6_literal) rebuilt = "[" + rebuilt + "]";
  if (authority->port) rebuilt += ":" + std::to_string(*authority->port);
  const auto again = http::parse_authority(rebuilt);
  FUZZ_CHECK(again && again->host == authority->host && again->port == authority->port);
  FUZZ_CHECK(rebuilt.find_first_of("@/?#\\% ,") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check_path(text);
  check_path("/" + std::string(text));
  check_authority(text);
  return 0;
}
