#pragma once

#include <map>
#include <string>
#include <vector>

namespace sluice::bench {

// `--name value` pairs after the positional words. Ends the program with a message when something is wrong.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::string usage);

  const std::vector<std::string>& words() const { return words_; }
  std::string text(const std::string& name, const std::string& fallback = "");
  double number(const std::string& name, double fallback);
  bool flag(const std::string& name);
  std::string required(const std::string& name);
  // Refuses what nobody asked for: a mistyped option must not measure something else.
  void finish() const;

  [[noreturn]] void fail(const std::string& reason) const;

 private:
  std::string usage_;
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

}  // namespace sluice::bench
