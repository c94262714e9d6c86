// How this program was started, so that its successor can be started the same way: the file may be another one by then.
#pragma once

#include <string>
#include <vector>

namespace sluice {

struct Program {
  std::string path;  // absolute, or a name to be found in PATH; symbolic links are followed anew each time
  std::vector<std::string> arguments;

  static Program of(int argc, char** argv);
};

}  // namespace sluice
