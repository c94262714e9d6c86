#include "gateway/handover.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "config/address.h"
#include "metrics/log.h"

namespace sluice {
namespace {

constexpr int kFirstFromSystemd = 3;  // SD_LISTEN_FDS_START

std::string taken_from_environment(const char* name) {
  const char* value = std::getenv(name);
  const std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

std::optional<int> number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_listening(int socket) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

// The address that it is bound to, as a configuration writes it; empty: of no kind that a listener can have.
std::string address_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  config::Address address;
  if (storage.ss_family == AF_UNIX) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
    address.path.assign(local.sun_path, ::strnlen(local.sun_path, sizeof local.sun_path));
    return address.path.empty() ? "" : address.text();
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    address = {config::ip_text(v6.sin6_addr.s6_addr, true), ntohs(v6.sin6_port), true};
    return address.text();
  }
  if (storage.ss_family != AF_INET) return {};
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  std::uint8_t bytes[4];
  std::memcpy(bytes, &v4.sin_addr, sizeof bytes);
  address = {config::ip_text(bytes, false), ntohs(v4.sin_port), false};
  return address.text();
}

// What an entry is known by to the new gateway is its question; the rest of it is in that one's configuration.
nlohmann::json to_json(const upstream::DiscoveredByUpstream& discovered) {
  nlohmann::json entries = nlohmann::json::array();
  std::size_t size = 0;
  for (const auto& [upstream, of_upstream] : discovered) {
    for (const auto& [asked, endpoints] : of_upstream) {
      nlohmann::json found = nlohmann::json::array();
      for (const config::Endpoint& one : endpoints) found.push_back({one.host, one.port, one.weight, one.discovered_as});
      const bool srv = asked.kind == config::Discovery::Kind::srv;
      nlohmann::json entry = {{"srv", srv}, {"name", asked.name}, {"endpoints", std::move(found)}};
      size += entry.dump().size();
      if (size > Handover::kMostDiscovered) return entries;
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

upstream::DiscoveredByUpstream discovered_in(const nlohmann::json& entries) {
  upstream::DiscoveredByUpstream discovered;
  for (const nlohmann::json& entry : entries) {
    config::Discovery asked;
    asked.kind = entry.at("srv").get<bool>() ? config::Discovery::Kind::srv : config::Discovery::Kind::dns;
    asked.name = entry.at("name").get<std::string>();
    std::vector<config::Endpoint>& endpoints = discovered[""][asked];
    for (const nlohmann::json& one : entry.at("endpoints")) {
      config::Endpoint& endpoint = endpoints.emplace_back();
      endpoint.host = one.at(0).get<std::string>();
      endpoint.port = one.at(1).get<std::uint16_t>();
      endpoint.weight = one.at(2).get<unsigned>();
      endpoint.discovered_as = one.at(3).get<std::string>();
    }
  }
  return discovered;
}

}  // namespace

std::string Handover::text() const {
  nlohmann::json listeners = nlohmann::json::array();
  for (const Sockets& one : listening) {
    listeners.push_back({{"name", one.name}, {"address", one.address}, {"sockets", one.sockets}, {"ours", one.ours}});
  }
  return nlohmann::json{{"listening", std::move(listeners)}, {"discovered", to_json(discovered)}, {"ready", ready}}.dump(-1, ' ', false,
                                                                                              nlohmann::json::error_handler_t::replace);
}

std::optional<Handover> Handover::parse(const std::string& text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    Handover handover;
    handover.ready = json.at("ready").get<int>();
    handover.discovered = discovered_in(json.value("discovered", nlohmann::json::array()));  // an earlier version gives none
    for (const nlohmann::json& one : json.at("listening")) {
      handover.listening.push_back({one.at("name").get<std::string>(), one.at("address").get<std::string>(),
                                    one.at("sockets").get<std::vector<int>>(), one.at("ours").get<bool>()});
    }
    return handover;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// Numbers that would not fit are left out: their sockets count as used, as they did before there were numbers.
std::string ReadySign::text() const {
  std::string text(1, kReady);
  for (const int socket : unused) {
    const std::string one = " " + std::to_string(socket);
    if (text.size() + one.size() <= kMostBytes) text += one;
  }
  return text;
}

std::optional<ReadySign> ReadySign::parse(const std::string& text) {
  if (text.empty() || text[0] != kReady) return std::nullopt;
  ReadySign sign;
  std::istringstream numbers(text.substr(1));
  for (int socket = 0; numbers >> socket;) sign.unused.push_back(socket);
  return sign;
}

InheritedSockets InheritedSockets::from_environment() {
  InheritedSockets inherited;
  inherited.add_from_gateway();
  inherited.add_from_systemd();
  return inherited;
}

void InheritedSockets::add_from_gateway() {
  const std::string text = taken_from_environment(Handover::kVariable);
  if (text.empty()) return;
  const std::optional<Handover> handover = Handover::parse(text);
  if (!handover) return metrics::log().warn("{} is not understood: {}", Handover::kVariable, text);
  discovered_ = handover->discovered;
  for (const Handover::Sockets& one : handover->listening) add(one.name, one.address, one.sockets, one.ours);
  if (::fcntl(handover->ready, F_SETFD, FD_CLOEXEC) == 0) ready_ = tls::Descriptor(handover->ready);
}

void InheritedSockets::add_from_systemd() {
  const std::optional<int> count = number(taken_from_environment("LISTEN_FDS"));
  const std::optional<int> pid = number(taken_from_environment("LISTEN_PID"));
  taken_from_environment("LISTEN_FDNAMES");
  if (!count || pid != static_cast<int>(::getpid())) return;
  for (int socket = kFirstFromSystemd; socket < kFirstFromSystemd + *count; ++socket) {
    add("", address_of(socket), {socket}, false);
  }
}

void InheritedSockets::add(std::string name, std::string address, const std::vector<int>& sockets, bool ours) {
  Entry entry{std::move(name), std::move(address), {{}, ours}};
  for (const int socket : sockets) {
    if (!is_listening(socket)) {
      metrics::log().warn("descriptor {}, which was handed over for {}, is no listening socket", socket, entry.address);
      continue;
    }
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    entry.taken.sockets.emplace_back(socket);
  }
  if (!entry.taken.sockets.empty()) entries_.push_back(std::move(entry));
}

InheritedSockets::Taken InheritedSockets::copy_of(const Taken& taken) {
  Taken copy{{}, taken.ours};
  for (const tls::Descriptor& socket : taken.sockets) {
    copy.sockets.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.sockets.back()) throw std::system_error(errno, std::system_category(), "cannot use a service manager's socket (fcntl)");
  }
  return copy;
}

std::vector<Handover::Sockets> InheritedSockets::kept() const {
  std::vector<Handover::Sockets> kept;
  for (const Entry& entry : entries_) {
    Handover::Sockets& one = kept.emplace_back(Handover::Sockets{entry.name, entry.address, {}, entry.taken.ours});
    for (const tls::Descriptor& socket : entry.taken.sockets) one.sockets.push_back(socket.get());
  }
  return kept;
}

InheritedSockets::Taken InheritedSockets::take(const std::string& name, const config::Address& address) {
  const std::string wanted = address.text();
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& entry) { return entry.address == wanted && entry.name == name; });
  if (found == entries_.end()) {
    found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.address == wanted; });
  }
  if (found == entries_.end()) return {};
  if (!found->taken.ours) return copy_of(found->taken);
  Taken taken = std::move(found->taken);
  entries_.erase(found);
  return taken;
}

void InheritedSockets::ready() {
  ReadySign sign;
  std::erase_if(entries_, [&sign](const Entry& entry) {
    if (!entry.taken.ours) return false;
    for (const tls::Descriptor& socket : entry.taken.sockets) sign.unused.push_back(socket.get());
    metrics::log().warn("the socket that was handed over for {} is no listener's; it is closed", entry.address);
    return true;
  });
  const std::string text = sign.text();
  if (ready_ && ::write(ready_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    metrics::log().warn("the gateway that is replaced cannot be told that this one serves: {}", std::strerror(errno));
  }
  ready_.close();
}

}  // namespace sluice
