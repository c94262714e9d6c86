#include "arguments.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sluice::bench {

Arguments::Arguments(int argc, char** argv, std::string usage) : usage_(std::move(usage)) {
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      words_.push_back(std::move(word));
      continue;
    }
    bool has_value = i + 1 < argc && std::string(argv[i + 1]).rfind("--", 0) != 0;
    options_[word.substr(2)] = has_value ? argv[++i] : "";
  }
}

std::string Arguments::text(const std::string& name, const std::string& fallback) {
  auto found = options_.extract(name);
  return found.empty() ? fallback : found.mapped();
}

double Arguments::number(const std::string& name, double fallback) {
  auto found = options_.extract(name);
  if (found.empty()) return fallback;
  char* end = nullptr;
  double value = std::strtod(found.mapped().c_str(), &end);
  if (found.mapped().empty() || *end != '\0' || value < 0) fail("--" + name + " needs a number");
  return value;
}

bool Arguments::flag(const std::string& name) { return !options_.extract(name).empty(); }

std::string Arguments::required(const std::string& name) {
  std::string value = text(name);
  if (value.empty()) fail("--" + name + " is missing");
  return value;
}

void Arguments::finish() const {
  if (!options_.empty()) fail("unknown option --" + options_.begin()->first);
}

void Arguments::fail(const std::string& reason) const {
  std::fprintf(stderr, "%s\n%s", reason.c_str(), usage_.c_str());
  std::exit(2);
}

}  // namespace sluice::bench
