#include "config/proxy_config.h"

#include "config/address.h"
#include "config/load.h"
#include "config/sections.h"
#include "config/syntax.h"
#include "config/validate.h"

namespace sluice::config {
namespace {

constexpr char kUpstream[] = "backend";

bool is_on(const std::string& address) { return !address.empty() && address != "off"; }

Address read_address(const std::string& text, const char* option, std::vector<Problem>& problems,
                     Fault (*parse)(const std::string&, Address&)) {
  Address address;
  if (Fault fault = parse(text, address)) problems.push_back({"", 0, option, *fault});
  return address;
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

// What validate() says, in the words of the command line.
std::vector<Problem> validated(const Config& config) {
  Report report("");
  validate(config, report);
  std::vector<Problem> problems = report.problems();
  for (Problem& problem : problems) {
    for (std::string* text : {&problem.key_path, &problem.what}) {
      replace(*text, "admin.address", "--admin");
      for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        replace(*text, "listeners[" + std::to_string(i) + "].address", "--" + config.listeners[i].name);
      }
    }
  }
  return problems;
}

}  // namespace

Config proxy_config(const std::string& to_url, const std::string& http_address,
                    const std::string& https_address, const std::string& admin_address) {
  Config config;
  std::vector<Problem> problems;
  Upstream& upstream = config.upstreams.emplace_back();
  upstream.name = kUpstream;
  if (Fault fault = parse_endpoint_url(to_url, upstream.endpoints.emplace_back())) {
    problems.push_back({"", 0, "--to", *fault});
  }
  Route& route = config.routes.emplace_back();
  route.name = "all";
  route.upstream = kUpstream;
  if (is_on(http_address)) {
    Listener& listener = config.listeners.emplace_back();
    listener.name = "http";
    listener.address = read_address(http_address, "--http", problems, parse_listener_address);
  }
  if (is_on(https_address)) {
    Listener& listener = config.listeners.emplace_back();
    listener.name = "https";
    listener.address = read_address(https_address, "--https", problems, parse_listener_address);
    listener.tls.emplace().self_signed = true;
    choose_protocols(listener);
  }
  if (config.listeners.empty()) {
    problems.push_back(
        {"", 0, "--http", "is off and --https too; expected an address for at least one of them"});
  }
  if (is_on(admin_address))
    config.admin = Admin{read_address(admin_address, "--admin", problems, parse_address), ""};
  for (Problem& problem : validated(config)) problems.push_back(std::move(problem));
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return config;
}

}  // namespace sluice::config
