// Whatever path and rule: what goes to the upstream is a normalised path, or nothing.
#include <array>
#include <string>

#include "gateway/http/uri.h"
#include "gateway/proxy/path_rewrite.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

config::Rewrite regex(const char* match, const char* to) {
  config::Rewrite rewrite;
  rewrite.path_regex.emplace();
  FUZZ_CHECK(!config::Regex::parse(match, rewrite.path_regex->match));
  rewrite.path_regex->to = to;
  return rewrite;
}

config::Rewrite prefix(const char* from, const char* to) {
  config::Rewrite rewrite;
  if (to == nullptr) {
    rewrite.strip_prefix = from;
  } else {
    rewrite.replace_prefix = config::PrefixReplacement{from, to};
  }
  return rewrite;
}

// The first byte chooses one.
const std::array<config::Rewrite, 12>& rules() {
  static const std::array<config::Rewrite, 12> all{
      prefix("/a", nullptr),
      prefix("/a/", nullptr),
      prefix("/a", "/b%20c"),
      prefix("/", "/app"),
      prefix("/a/b", "/"),
      prefix("/a", "/b/"),
      regex("^/v1/(.*)", "/\\1"),
      regex("x", ""),
      regex("^/(.*)/(.*)", "\\2/\\1"),
      regex("(%?).(.)", "\\1\\2"),
      regex("^/a(.*)", "/\\0\\1\\1"),
      regex("2", "5"),
  };
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const config::Rewrite& rule = rules()[data[0] % rules().size()];
  std::string normal_storage, storage, other;
  const http::NormalizedPath normal = http::normalize_path(fuzz::as_text(data + 1, size - 1), normal_storage);
  if (normal.error != http::PathError::none) return 0;
  const std::optional<std::string_view> result = proxy::rewrite_path(rule, normal.path, storage);
  // A rule over whole segments has nothing that could go wrong.
  if (!rule.path_regex) FUZZ_CHECK(result.has_value());
  if (!result) return 0;
  if (normal.path != "*") FUZZ_CHECK(result->front() == '/');
  const http::NormalizedPath again = http::normalize_path(*result, other);
  FUZZ_CHECK(again.error == http::PathError::none && again.path == *result);
  return 0;
}
