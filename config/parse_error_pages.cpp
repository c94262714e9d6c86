// `routes[].error_pages`: read whole while loading, so that an error is never a reason to read a file.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uintmax_t kLargestPage = 1024 * 1024;
constexpr char kPrefix[] = "file:";
constexpr char kExpected[] = "file:NAME.html, .json or .txt";

std::string content_type_of(const std::string& path) {
  const std::string extension = lower_case(std::filesystem::path(path).extension().string());
  if (extension == ".html" || extension == ".htm") return "text/html; charset=utf-8";
  if (extension == ".json") return "application/json";
  if (extension == ".txt") return "text/plain; charset=utf-8";
  return {};
}

void read_page(const Value::Entry& entry, ErrorPages& pages) {
  const std::optional<std::uint64_t> status = parse_whole_number(entry.key);
  if (!status || *status < 400 || *status > 599) {
    return entry.value.problem(in_quotes(entry.key) + " is not the status of an error; expected one from 400 to 599");
  }
  const auto text = entry.value.text(kExpected);
  if (!text) return;
  if (text->rfind(kPrefix, 0) != 0) return entry.value.problem("is " + in_quotes(*text) + "; expected " + kExpected);
  const std::string path = entry.value.report().resolve(text->substr(sizeof kPrefix - 1));
  ErrorPage page;
  page.file = path;
  page.content_type = content_type_of(path);
  if (page.content_type.empty()) {
    return entry.value.problem(in_quotes(*text) + " has no known ending; expected " + kExpected);
  }
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return entry.value.problem(in_quotes(*text) + " cannot be read; expected a file, relative to this one");
  if (size > kLargestPage) return entry.value.problem(in_quotes(*text) + " is over 1MiB; expected a smaller page");
  page.body.assign(std::istreambuf_iterator<char>(file), {});
  pages[static_cast<unsigned>(*status)] = std::move(page);
}

}  // namespace

Key<Route> error_pages_key() {
  return {map_info("error_pages", {}), [](const Value& value, const KeyInfo& row, Route& route) {
            const auto entries = value.entries(row.expected);
            if (!entries) return;
            for (const Value::Entry& entry : *entries) read_page(entry, route.error_pages);
          }};
}

}  // namespace sluice::config
