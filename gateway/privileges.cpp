#include "gateway/privileges.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr std::uint16_t kFirstFreePort = 1024;

bool is_privileged(const config::Address& address) {
  return !address.is_unix() && address.port != 0 && address.port < kFirstFreePort;
}

}  // namespace

std::string needless_root(const config::Config& config, unsigned user) {
  if (user != 0 || (config.admin && is_privileged(config.admin->address))) return {};
  const bool any = std::any_of(config.listeners.begin(), config.listeners.end(),
                               [](const config::Listener& listener) { return is_privileged(listener.address); });
  if (any) return {};
  return "runs as root, which no address here needs; run it as a user of its own that may read the keys";
}

}  // namespace sluice
