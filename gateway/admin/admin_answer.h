// Which answer the admin listener gives to a request. No I/O; called on the control thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/service_config.h"
#include "gateway/admin/answer_stream.h"
#include "gateway/admin/socket_request.h"
#include "gateway/http/message.h"

namespace sluice::admin {

// What is to be done for a request, whose outcome is its answer.
enum class Task : std::uint8_t { none, status, reload, drain, list_sockets, close_sockets, tap_socket };

struct AdminReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::shared_ptr<AnswerStream> stream = {};  // what follows, instead of a body
  Task task = Task::none;                // its outcome takes the place of this reply
  SocketRequest sockets;                 // what a task with sockets is about
  std::string_view allow = "GET, HEAD";  // of a 405
};

// What the endpoints report. Called on the control thread.
struct AdminSources {
  std::function<std::string()> metrics;
  std::function<std::string()> unhealthy;  // why not; empty: healthy
  std::function<bool()> ready;
};

// Which answer a request gets: pure but for the sources.
// A request is refused when its Host is a name other than localhost (a web page may have bound its own name to this
// address), or its Origin is another one; /metrics, /status and /sockets need the token where one is set. What changes something
// needs it, too; without one, a field of our own, which no web page can send here: its browser would ask first (CORS),
// and be refused.
inline constexpr char kOwnField[] = "X-Sluice-Admin";
AdminReply answer(const http::RequestHead& request, const config::Admin& settings, const AdminSources& sources);

}  // namespace sluice::admin
