// `sluice explain`: which listener, route and upstream would serve a request, and why not the others.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace sluice::commands {

struct ExplainOptions {
  std::string method;
  std::string url;
  std::vector<std::string> headers;  // `Name: value`
  std::string listener;              // empty: by the URL
  std::string client = "127.0.0.1";  // the address that connects
  std::string protocol;              // h2 or http/1.1, that the client speaks; empty: by the listener
  bool json = false;
};

// What is printed. Throws InputError.
std::string explain_command(config::Config config, const ExplainOptions& options);

}  // namespace sluice::commands
