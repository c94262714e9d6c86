#include "gateway/open_listeners.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "gateway/reload_rules.h"
#include "tls/vanished_peers.h"

namespace sluice {
namespace {

std::vector<config::Listener> settings_of(const std::vector<OpenListener>& listeners) {
  std::vector<config::Listener> settings;
  for (const OpenListener& listener : listeners) settings.push_back(listener.config);
  return settings;
}

std::vector<int> numbers_of(const std::vector<tls::Descriptor>& sockets) {
  std::vector<int> numbers;
  for (const tls::Descriptor& socket : sockets) numbers.push_back(socket.get());
  return numbers;
}

ListeningSockets open_sockets(const config::Listener& listener, unsigned workers, InheritedSockets::Taken inherited) {
  try {
    return open_listening_sockets(listener.address, listener.mode, workers, std::move(inherited));
  } catch (const std::system_error& error) {
    throw ListenError("listener " + listener.name, error);
  }
}

}  // namespace

OpenListeners::Next OpenListeners::open(const std::vector<config::Listener>& listeners) {
  Next next;
  next.kept = kept_listeners(settings_of(listeners_), listeners);
  next.opened.resize(listeners.size());
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    OpenListener& listener = next.listeners.emplace_back();
    if (next.kept[i]) {
      listener = listeners_[*next.kept[i]];
    } else {
      const config::Listener& wanted = listeners[i];
      InheritedSockets::Taken inherited = inherited_.take(wanted.name, wanted.address);
      const bool ours = inherited.ours, adopted = !inherited.sockets.empty();
      next.opened[i] = open_sockets(wanted, workers_, std::move(inherited));
      if (adopted && ours && wanted.address.is_unix()) inherited_files_.emplace_back(next.opened[i].shared, wanted.address.path);
      listener = {next_id_++, {}, next.opened[i].address, numbers_of(next.opened[i].sockets), ours};
    }
    listener.config = listeners[i];
  }
  return next;
}

void OpenListeners::use(std::vector<OpenListener> listeners, const config::Timeouts& timeouts,
                        std::vector<std::string>& warnings) {
  for (const OpenListener& running : listeners_) {
    for (const OpenListener& listener : listeners) {
      if (listener.id != running.id || listener.config.mode == running.config.mode || !listener.address.is_unix()) continue;
      if (::chmod(listener.address.path.c_str(), listener.config.mode) == 0) continue;
      warnings.push_back("listener " + listener.config.name + ": the mode of " + listener.address.path +
                         " cannot be set: " + std::strerror(errno));
    }
  }
  listeners_ = std::move(listeners);
  for (const OpenListener& listener : listeners_) {
    if (listener.address.is_unix()) continue;
    for (const int socket : listener.sockets) tls::limit_unacknowledged(socket, timeouts.client_write_idle);
  }
}

void OpenListeners::forget(const std::vector<unsigned>& ids) {
  std::erase_if(listeners_, [&ids](const OpenListener& one) { return std::find(ids.begin(), ids.end(), one.id) != ids.end(); });
}

void OpenListeners::take_place() {
  for (const auto& [shared, path] : inherited_files_) shared->file = UnixSocketFile(path);
  inherited_files_.clear();
  inherited_.ready();
}

std::vector<std::uint16_t> ports_of(const std::vector<OpenListener>& listeners) {
  std::vector<std::uint16_t> ports;
  for (const OpenListener& listener : listeners) ports.push_back(listener.address.port);
  return ports;
}

}  // namespace sluice
