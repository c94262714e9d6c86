// Listening sockets that come from another process: from the gateway that this one replaces, or from systemd's socket
// activation. And the form in which a gateway hands its own on: descriptors that the child inherits, and a variable
// that tells which is which.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/listener_config.h"
#include "tls/descriptor.h"
#include "upstream/discovered.h"

namespace sluice {

// What a gateway gives to the one that replaces it: its listening sockets, whose numbers stay this process's own, and what DNS said
// last, since it may be silent just then.
struct Handover {
  struct Sockets {
    std::string name;     // of the listener; empty: the admin listener
    std::string address;  // as the configuration has it
    std::vector<int> sockets;
    bool ours = true;  // a gateway opened them: a unix socket's file is for a gateway to remove
  };
  std::vector<Sockets> listening;
  // More than kMostDiscovered bytes of it are left out: the new one asks.
  upstream::DiscoveredByUpstream discovered = {};
  static constexpr std::size_t kMostDiscovered = 48 * 1024;  // an environment variable holds 128 KiB
  int ready = -1;  // written to when the new one serves; closed before: it will not

  static constexpr char kVariable[] = "SLUICE_HANDOVER";
  std::string text() const;
  // Of the same form; nothing when it is not.
  static std::optional<Handover> parse(const std::string& text);
};

// What a gateway says when it serves: the byte that is waited for, then the numbers of the sockets that it has no use
// for.
struct ReadySign {
  static constexpr char kReady = 'r';
  static constexpr std::size_t kMostBytes = 4096;  // a pipe takes that many at once
  std::vector<int> unused;

  std::string text() const;
  // Nothing when it is none. That of an earlier version is the byte alone.
  static std::optional<ReadySign> parse(const std::string& text);
};

// What came with this process. Used by the control thread, from before workers start.
class InheritedSockets {
 public:
  InheritedSockets() = default;
  InheritedSockets(InheritedSockets&&) = default;
  InheritedSockets& operator=(InheritedSockets&&) = default;
  // When it is not ready by now, the end of the process is what tells: it may have something to say before.
  ~InheritedSockets() { ready_.release(); }
  // From SLUICE_HANDOVER, and LISTEN_FDS and LISTEN_PID (sd_listen_fds(3)), which are taken out of the environment.
  // What is no listening socket is left alone, with a warning.
  static InheritedSockets from_environment();

  struct Taken {
    std::vector<tls::Descriptor> sockets;
    bool ours = true;  // as in Handover
  };
  // Those of that address; among several of the same (port 0) those of that name. Of a service manager's they are
  // copies: it keeps the socket, so that nobody can open the address anew, and a reload may take the listener away and
  // bring it back. Throws std::system_error when no descriptor is left for a copy.
  Taken take(const std::string& name, const config::Address& address);
  // A service manager's, whether a listener has them or not.
  std::vector<Handover::Sockets> kept() const;
  // What the gateway that gave them knew of DNS; once.
  upstream::DiscoveredByUpstream take_discovered() { return std::exchange(discovered_, {}); }
  // Tells the gateway that gave them that this one serves, and of which it has no use: those are closed.
  void ready();

 private:
  struct Entry {
    std::string name, address;
    Taken taken;
  };
  static Taken copy_of(const Taken& taken);
  void add(std::string name, std::string address, const std::vector<int>& sockets, bool ours);
  void add_from_gateway();
  void add_from_systemd();

  std::vector<Entry> entries_;
  upstream::DiscoveredByUpstream discovered_;
  tls::Descriptor ready_;
};

}  // namespace sluice
