// Turns endpoint names into addresses: at start, and again every 30 s. Every name has a thread of its own, so that a slow one
// delays no other. A failure keeps the last answer. `changed` is called on those threads, one call at a time, and posts to
// whoever needs it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "upstream/endpoint.h"

namespace sluice::upstream {

class Resolver {
 public:
  static constexpr std::chrono::seconds kRefresh{30};
  using Name = std::pair<std::string, std::uint16_t>;  // host and port
  using Changed = std::function<void(const Name&, std::shared_ptr<const Addresses>)>;

  // IP literals answer at once and need no thread.
  static std::optional<Addresses> parse_literal(const Name& name);

  using Known = std::map<Name, std::shared_ptr<const Addresses>>;

  // `refresh`: between two questions for the same name.
  explicit Resolver(Changed changed, std::chrono::milliseconds refresh = kRefresh);
  ~Resolver();
  // Resolves these from now on, and no others. Returns when every new one was tried once, or after `patience`.
  // The names without an address.
  std::vector<Name> use(const std::vector<Name>& names, std::chrono::milliseconds patience);
  // Whether every one was tried once.
  bool is_settled() const;
  // The last answers.
  Known known() const;
  // Calls `take` with them, and meanwhile `changed` with nothing: what it posts comes before every later answer.
  void hand_over(const std::function<void(const Known&)>& take) const;
  void stop();

 private:
  struct State;
  // Shared with the threads, which may outlast this object: getaddrinfo cannot be interrupted.
  std::shared_ptr<State> state_;
};

}  // namespace sluice::upstream
