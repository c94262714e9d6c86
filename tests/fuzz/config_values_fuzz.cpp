// The texts of a configuration's values: each parser takes a text or says why not, what it makes is in its
// bounds, and what is written from that reads back the same. Paths and names of routes are such that a
// request can have them.
#include <string>

#include "config/header_keys.h"
#include "config/interpolation.h"
#include "config/suggestion.h"
#include "config/syntax.h"
#include "config/value_text.h"
#include "gateway/http/characters.h"
#include "gateway/http/uri.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

bool is_one_line(const config::Fault& fault) {
  return !fault ||
         (!fault->empty() && fault->find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
}

void check_numbers(const std::string& text) {
  if (const auto number = config::parse_whole_number(text)) {
    const std::string digits = text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
    FUZZ_CHECK(std::to_string(*number) == digits);
    FUZZ_CHECK(config::parse_size(text) == number);
  }
  if (const auto duration = config::parse_duration(text)) {
    FUZZ_CHECK(duration->count() >= 0 && *duration <= config::kLongestDuration);
    FUZZ_CHECK(config::parse_duration(config::duration_text(*duration)) == duration);
  }
  if (const auto rate = config::parse_rate(text)) {
    FUZZ_CHECK(rate->times > 0 && config::parse_rate(config::rate_text(*rate)) == rate);
  }
  if (const auto size = config::parse_size(text)) {
    FUZZ_CHECK(config::parse_size(config::size_text(*size)) == size);
  }
}

void check_template(const std::string& text) {
  config::Template parts;
  const std::vector<std::string> faults = config::interpolate(text, parts);
  bool literal_before = false;
  for (const config::TemplatePart& part : parts) {
    FUZZ_CHECK(part.variable.has_value() == part.text.empty());
    FUZZ_CHECK(!(literal_before && !part.variable));  // neighbours are one
    literal_before = !part.variable;
  }
  if (text.find("${") != std::string::npos) return;
  FUZZ_CHECK(faults.empty());
  FUZZ_CHECK(text.empty() ? parts.empty() : parts.size() == 1 && parts[0].text == text);
}

void check_routes(const std::string& text) {
  std::string path, host, method;
  const config::Fault path_fault = config::parse_match_path(text, path);
  FUZZ_CHECK(is_one_line(path_fault));
  if (!path_fault) {
    std::string storage;
    const http::NormalizedPath normal = http::normalize_path(path, storage);
    FUZZ_CHECK(normal.error == http::PathError::none && normal.path == path);
  }
  const config::Fault host_fault = config::parse_match_host(text, host);
  FUZZ_CHECK(is_one_line(host_fault));
  if (!host_fault) {
    FUZZ_CHECK(config::lower_case(host) == host);
    std::string again;
    FUZZ_CHECK(!config::parse_match_host(host, again) && again == host);
    std::string name = host.starts_with("*.") ? host.substr(2) : host;
    // Names may have '_', which requests may not; they match nothing then.
    if (name.find(':') != std::string::npos) name = "[" + name + "]";
    if (name.find('_') == std::string::npos) FUZZ_CHECK(http::parse_authority(name).has_value());
  }
  if (!config::parse_method(text, method)) FUZZ_CHECK(http::all_of(http::kToken, method) && !method.empty());
}

void check_names(const std::string& text) {
  std::string name;
  if (const config::Fault fault = config::parse_name(text, name)) {
    FUZZ_CHECK(is_one_line(fault));
  } else {
    FUZZ_CHECK(name == text && http::all_of(http::kToken, name));
  }
  if (const config::Fault fault = config::parse_server_name(text, name)) {
    FUZZ_CHECK(is_one_line(fault));
  } else {
    FUZZ_CHECK(!name.empty() && name.find('\0') == std::string::npos);
  }
  for (const auto direction : {config::HeaderDirection::request, config::HeaderDirection::response}) {
    if (config::check_header_name(text, direction)) continue;
    FUZZ_CHECK(!text.empty() && http::all_of(http::kToken, text));
  }
  FUZZ_CHECK(config::is_token(text) == (!text.empty() && http::all_of(http::kToken, text)));
  FUZZ_CHECK(!config::hint(text, {"listeners", "upstreams", "routes"}).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  check_numbers(text);
  check_template(text);
  check_routes(text);
  check_names(text);
  return 0;
}
