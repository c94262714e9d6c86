// Which listeners are open: what the control thread knows of the sockets that the workers have. Used by it alone.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.h"
#include "gateway/listening_sockets.h"

namespace sluice {

struct OpenListener {
  unsigned id = 0;          // the same for as long as its address is kept
  config::Listener config;  // as it was asked for
  config::Address address;  // as it is: with the real port
  std::vector<int> sockets;  // the workers' own; closed by them, and not before they are told
  bool ours = true;          // not a service manager's
};

class OpenListeners {
 public:
  OpenListeners(unsigned workers, InheritedSockets inherited) : workers_(workers), inherited_(std::move(inherited)) {}

  // The listeners of a configuration, in its order, with the sockets of those that were not open.
  struct Next {
    std::vector<OpenListener> listeners;
    std::vector<std::optional<std::size_t>> kept;  // for each the index of the running one
    std::vector<ListeningSockets> opened;          // for each; no sockets where it is kept
  };
  // Opens what is not open. Throws std::system_error when an address cannot be had; nothing has changed then.
  Next open(const std::vector<config::Listener>& listeners);
  // These are in force: sockets that are kept get what the configuration says of them. Appends to `warnings`.
  void use(std::vector<OpenListener> listeners, const config::Timeouts& timeouts, std::vector<std::string>& warnings);

  // These have been closed by the workers.
  void forget(const std::vector<unsigned>& ids);

  // Of what another process has handed over.
  InheritedSockets& inherited() noexcept { return inherited_; }
  // This process serves in the other's place: the files of unix sockets are its own from here on. Had it failed before,
  // they would have been the other's still.
  void take_place();
  const std::vector<OpenListener>& all() const noexcept { return listeners_; }

 private:
  const unsigned workers_;
  InheritedSockets inherited_;
  std::vector<std::pair<std::shared_ptr<SharedSocket>, std::string>> inherited_files_;  // with their paths
  unsigned next_id_ = 0;
  std::vector<OpenListener> listeners_;
};

// Their ports, in their order; 0 for a unix socket.
std::vector<std::uint16_t> ports_of(const std::vector<OpenListener>& listeners);

}  // namespace sluice
