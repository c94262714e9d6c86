// Collects what is wrong, or only surprising, with one configuration, and knows the line of every key that
// was read. Reading and validation both write here, so that all problems come out together. Used by one
// thread while loading.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/key_lines.h"
#include "config/load.h"

namespace sluice::config {

// `what is wrong; what was expected`, or nothing when the text is good.
using Fault = std::optional<std::string>;

class Report {
 public:
  explicit Report(std::string file) : lines_(std::make_shared<KeyLines>(std::move(file))) {}

  void locate(const std::string& key_path, int line) { lines_->locate(key_path, line); }
  bool mentions(const std::string& key_path) const { return lines_->mentions(key_path); }
  std::shared_ptr<const KeyLines> lines() const { return lines_; }

  // True when a problem stands at this key, so that nothing that follows from it needs saying.
  bool is_wrong(const std::string& key_path) const;

  void problem(const std::string& key_path, std::string what);
  void problem_on_line(int line, const std::string& key_path, std::string what);
  void warning(const std::string& key_path, const std::string& what);

  // `path` as written, seen from the folder of the file.
  std::string resolve(const std::string& path) const;

  const std::vector<Problem>& problems() const { return problems_; }

  // Throws ConfigError when there are problems. The warnings are appended in any case.
  void finish(std::vector<std::string>& warnings);

 private:
  std::shared_ptr<KeyLines> lines_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
};

// In double quotes, control characters made visible, cut when long: fit for a message.
std::string in_quotes(std::string_view text);
// `a, b or c`
std::string one_of(const std::vector<std::string>& words);

}  // namespace sluice::config
