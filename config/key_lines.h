// Where the keys of one configuration file stand, for messages. Part of a loaded configuration, since some
// problems are found by those who use it (a certificate that is none). Filled while loading, immutable
// afterwards.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace sluice::config {

class KeyLines {
 public:
  explicit KeyLines(std::string file) : file_(std::move(file)) {}

  void locate(const std::string& key_path, int line) { lines_.try_emplace(key_path, line); }
  // True when the file has this key, whether or not its value was good.
  bool mentions(const std::string& key_path) const { return lines_.count(key_path) != 0; }
  // The line of the key, or of the nearest key around it that the file has.
  int line_of(std::string_view key_path) const;
  const std::string& file() const noexcept { return file_; }

 private:
  std::string file_;
  std::map<std::string, int, std::less<>> lines_;
};

}  // namespace sluice::config
