// A copy of a request on its way to a mirror: it has its own bytes, and a BackendConnection as requests have, nobody waits for it, and its
// answer is read and thrown away. One attempt. It is a coroutine that its worker's MirrorSet can cut; that worker's thread alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gateway/http/message.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/services.h"

namespace sluice::proxy {

struct MirroredRequest {
  static constexpr std::chrono::seconds kLongest{60};
  std::string method;
  std::string target;
  http::RequestHead head;  // the fields, and how the body is framed
  std::string body;        // all of it
  http::Headers trailers;
  bool accepts_trailers = false;
  std::string opening;     // of the connection
  std::optional<std::uint64_t> hash;
  config::Duration connect_timeout{};
  config::Duration time{};  // for what comes after that, the answer included

  // What it keeps until it is sent, as limits.max_held_bytes counts it.
  std::size_t size() const noexcept;
  void drop_what_was_sent() noexcept;
};

// False: limits.max_held_bytes has no room for it. It begins in the loop's next turn.
bool start_mirror(Services& services, std::shared_ptr<Generation> generation, const RouteServices::Mirror& mirror,
                  MirroredRequest request);

}  // namespace sluice::proxy
