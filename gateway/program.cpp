#include "gateway/program.h"

#include <filesystem>

namespace sluice {

Program Program::of(int argc, char** argv) {
  Program program;
  for (int i = 0; i < argc; ++i) program.arguments.emplace_back(argv[i]);
  program.path = argc > 0 ? argv[0] : "";
  // Relative to where it was started, which may not be where it is by then.
  if (program.path.find('/') != std::string::npos) program.path = std::filesystem::absolute(program.path);
  return program;
}

}  // namespace sluice
