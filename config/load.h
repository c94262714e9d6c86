// Reads, checks and completes a configuration. All YAML code lives behind this.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "config/config.h"

namespace sluice::config {

// One thing that is wrong: `FILE:LINE: key.path: what is wrong; what was expected`.
struct Problem {
  std::string file;
  int line = 0;
  std::string key_path;
  std::string what;
  std::string text() const;
};

// A problem that was found by who uses a loaded configuration; key paths as in messages, such as listeners[0].tls.
Problem problem_at(const Config& config, std::string key_path, std::string what);

// Carries every problem found, not only the first. what() joins them by newlines.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(std::vector<Problem> problems);
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::vector<Problem> problems_;
};

// Throws ConfigError. Warnings (what works but surprises) are appended to `warnings`.
Config load_file(const std::string& path, std::vector<std::string>& warnings);
// The same from text; `name` stands for the file in messages, relative paths are relative to its folder.
Config load_text(const std::string& text, const std::string& name, std::vector<std::string>& warnings);

}  // namespace sluice::config
