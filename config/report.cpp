#include "config/report.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "config/visible.h"

namespace sluice::config {
namespace {

constexpr std::size_t kLongestQuote = 100;

void sort_by_line(std::vector<Problem>& problems) {
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
}

std::string joined(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += problem.text();
  }
  return text;
}

}  // namespace

std::string Problem::text() const {
  std::string prefix = file;
  if (!file.empty() && line > 0) prefix += ":" + std::to_string(line);
  if (!prefix.empty()) prefix += ": ";
  if (!key_path.empty()) prefix += key_path + ": ";
  // Keys and what the YAML parser quotes may hold anything: a problem stays one line.
  std::string line_text;
  append_visible(line_text, prefix + what);
  return line_text;
}

ConfigError::ConfigError(std::vector<Problem> problems)
    : std::runtime_error(joined(problems)), problems_(std::move(problems)) {}

bool Report::is_wrong(const std::string& key_path) const {
  return std::any_of(problems_.begin(), problems_.end(),
                     [&key_path](const Problem& problem) { return problem.key_path == key_path; });
}

void Report::problem(const std::string& key_path, std::string what) {
  problem_on_line(lines_->line_of(key_path), key_path, std::move(what));
}

void Report::problem_on_line(int line, const std::string& key_path, std::string what) {
  problems_.push_back({lines_->file(), line, key_path, std::move(what)});
}

void Report::warning(const std::string& key_path, const std::string& what) {
  warnings_.push_back({lines_->file(), lines_->line_of(key_path), key_path, what});
}

std::string Report::resolve(const std::string& path) const {
  const std::filesystem::path given(path);
  if (given.is_absolute()) return path;
  return (std::filesystem::path(lines_->file()).parent_path() / given).string();
}

void Report::finish(std::vector<std::string>& warnings) {
  sort_by_line(warnings_);
  for (const Problem& warning : warnings_) warnings.push_back(warning.text());
  if (problems_.empty()) return;
  sort_by_line(problems_);
  throw ConfigError(problems_);
}

std::string in_quotes(std::string_view text) {
  std::size_t length = std::min(text.size(), kLongestQuote);
  // Never cut inside a UTF-8 character.
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  std::string result = "\"";
  append_visible(result, text.substr(0, length));
  if (length < text.size()) result += "...";
  return result + '"';
}

std::string one_of(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
    result += words[i];
  }
  return result;
}

}  // namespace sluice::config
