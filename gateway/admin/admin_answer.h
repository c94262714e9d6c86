// Which answer the admin listener gives to a request. No I/O; called on the control thread.
#pragma once

#include <functional>
#include <string>

#include "config/service_config.h"
#include "gateway/http/message.h"

namespace sluice::admin {

struct AdminReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What the endpoints report. Called on the control thread.
struct AdminSources {
  std::function<std::string()> metrics;
  std::function<std::string()> unhealthy;  // why not; empty: healthy
  std::function<bool()> ready;
};

// Which answer a request gets: pure but for the sources.
// A request is refused when its Host is a name other than localhost (a web page may have bound its own name to this address),
// or its Origin is another one; /metrics needs the token where one is set.
AdminReply answer(const http::RequestHead& request, const config::Admin& settings, const AdminSources& sources);

}  // namespace sluice::admin
