// What is found of a cookie stands in the field between its name and the next semicolon; a cookie that is there is found.
#include <utility>
#include <string>

#include "gateway/http/cookies.h"
#include "tests/fuzz/check.h"

using namespace sluice;

// The first line is the name, every other one a Cookie field.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string name;
  bool first = true;
  http::Headers headers;
  fuzz::for_each_line(fuzz::as_text(data, size), [&](std::string_view line) {
    if (!std::exchange(first, false)) return headers.add("Cookie", line);
    name = line;
  });
  if (const auto value = http::find_cookie(headers, name)) {
    FUZZ_CHECK(value->find(';') == std::string_view::npos);
    FUZZ_CHECK(value->empty() || (value->front() != ' ' && value->back() != ' '));
  }
  const bool plain = !name.empty() && name.find_first_of("=; \t") == std::string::npos;
  if (plain && !http::find_cookie(headers, name)) {
    headers.add("Cookie", "before=1; " + name + "=found ;after=2");
    FUZZ_CHECK(http::find_cookie(headers, name) == "found" || name == "before");
  }
  return 0;
}
