#include "gateway/commands/choose_listener.h"

#include <algorithm>

namespace sluice::commands {
namespace {

using Listeners = std::vector<const config::Listener*>;

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

std::string list_of(const Listeners& listeners) {
  std::string text;
  for (const config::Listener* listener : listeners)
    text += (text.empty() ? "" : ", ") + listener_text(*listener);
  return text;
}

Listeners all_of(const config::Config& config) {
  Listeners all;
  for (const config::Listener& listener : config.listeners) all.push_back(&listener);
  return all;
}

template <class Fits>
Listeners those(const Listeners& listeners, Fits fits) {
  Listeners found;
  std::copy_if(listeners.begin(), listeners.end(), std::back_inserter(found), fits);
  return found;
}

const char* schemes_of(bool secure) { return secure ? "https:// and wss://" : "http:// and ws://"; }

ListenerChoice by_name(const config::Config& config, const TrialRequest& request, const std::string& name) {
  for (const config::Listener& listener : config.listeners) {
    if (listener.name != name) continue;
    if (listener.tls.has_value() == request.secure) return {&listener, ""};
    throw InputError("listener " + listener_text(listener) + " speaks " +
                     schemes_of(listener.tls.has_value()) + " alone; expected such a URL");
  }
  throw InputError("there is no listener \"" + name + "\"; there are " + list_of(all_of(config)));
}

ListenerChoice first_of(const Listeners& listeners) {
  if (listeners.size() == 1) return {listeners.front(), ""};
  const Listeners others(listeners.begin() + 1, listeners.end());
  return {listeners.front(), "the URL fits " + list_of(others) + " as well; --listener NAME takes another"};
}

bool has_port(const config::Listener& listener, std::uint16_t port) {
  return !listener.address.is_unix() && listener.address.port == port;
}

}  // namespace

ListenerChoice choose_listener(const config::Config& config, const TrialRequest& request,
                               const std::string& name) {
  if (!name.empty()) return by_name(config, request, name);
  const Listeners all = all_of(config);
  const Listeners fitting = those(
      all, [&](const config::Listener* listener) { return listener->tls.has_value() == request.secure; });
  if (fitting.empty()) {
    throw InputError(std::string("no listener speaks ") + schemes_of(request.secure) + "; there are " +
                     list_of(all));
  }
  const auto with_port = [&fitting](std::uint16_t port) {
    return those(fitting, [port](const config::Listener* listener) { return has_port(*listener, port); });
  };
  const Listeners exact = with_port(request.port.value_or(request.secure ? kHttpsPort : kHttpPort));
  if (!exact.empty()) return first_of(exact);
  // Without a port it may be mapped to any, by a container or a load balancer; clients of URLs know no unix
  // sockets.
  if (!request.port) {
    const Listeners with_ports =
        those(fitting, [](const config::Listener* listener) { return !listener->address.is_unix(); });
    return first_of(with_ports.empty() ? fitting : with_ports);
  }
  // Whatever port that will be.
  if (const Listeners any = with_port(0); !any.empty()) return first_of(any);
  throw InputError("no listener speaks " + std::string(schemes_of(request.secure)) + " on port " +
                   std::to_string(*request.port) + "; there are " + list_of(all) +
                   "; --listener NAME takes one whatever its port");
}

bool choose_http2(const config::Listener& listener, const std::string& wanted) {
  if (wanted.empty()) return !config::speaks(listener, "http/1.1");
  if (config::speaks(listener, wanted)) return wanted == "h2";
  std::string spoken;
  for (const std::string& protocol : listener.protocols) spoken += (spoken.empty() ? "" : ", ") + protocol;
  throw InputError("listener " + listener_text(listener) + " does not speak \"" + wanted + "\"; its protocols are [" + spoken + "]");
}

std::string listener_text(const config::Listener& listener) {
  return listener.name + " (" + listener.address.text() + ", " + (listener.tls ? "TLS" : "plain") + ")";
}

}  // namespace sluice::commands
