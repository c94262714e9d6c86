#include "gateway/commands/admin_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "config/address.h"
#include "gateway/admin/admin_answer.h"
#include "gateway/commands/trial_request.h"
#include "gateway/http1/response_parser.h"
#include "tls/descriptor.h"
#include "upstream/resolver.h"

namespace sluice::commands {
namespace {

constexpr std::size_t kMostBytes = 64u << 20;
constexpr char kTokenVariable[] = "SLUICE_ADMIN_TOKEN";

class Connection {
 public:
  Connection(const config::Address& address, std::chrono::seconds patience)
      : text_(address.text()), ends_(std::chrono::steady_clock::now() + patience) {
    const upstream::SocketAddress peer = upstream::Resolver::parse_literal({address.host, address.port})->front();
    socket_ = tls::Descriptor(::socket(peer.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(socket_.get(), peer.data(), peer.size()) == 0) return;
    int error = errno;
    if (error == EINPROGRESS) {
      wait_for(POLLOUT);
      socklen_t size = sizeof error;
      ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == ECONNREFUSED) throw NobodyError(failure(std::strerror(error)));
    if (error != 0) fail(std::strerror(error));
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN) fail(std::strerror(errno));
      if (sent < 0) wait_for(POLLOUT);
    }
  }

  // Until the gateway closes.
  std::string receive() {
    std::string received;
    char chunk[16384];
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
      if (n == 0) return received;
      if (n > 0) received.append(chunk, static_cast<std::size_t>(n));
      if (received.size() > kMostBytes) fail("it does not stop answering");
      if (n < 0 && errno != EAGAIN) fail(std::strerror(errno));
      if (n < 0) wait_for(POLLIN);
    }
  }

  [[noreturn]] void fail(const std::string& why) const { throw UnreachableError(failure(why)); }

 private:
  std::string failure(const std::string& why) const {
    return "cannot reach the gateway's admin listener at " + text_ + ": " + why + "; is it running, and is this its admin.address (see --admin)?";
  }
  void wait_for(short events) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(ends_ - std::chrono::steady_clock::now());
    pollfd waiting{socket_.get(), events, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) fail("no answer in time");
  }

  const std::string text_;
  const std::chrono::steady_clock::time_point ends_;
  tls::Descriptor socket_;
};

std::string own_token() {
  const char* token = std::getenv(kTokenVariable);
  return token == nullptr ? "" : token;
}

std::string request_text(const config::Address& address, const std::string& method, const std::string& path) {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: " + address.text() + "\r\n" + admin::kOwnField + ": 1\r\n";
  if (const std::string token = own_token(); !token.empty()) text += "Authorization: Bearer " + token + "\r\n";
  return text + "Content-Length: 0\r\nConnection: close\r\n\r\n";
}

}  // namespace

AdminResponse ask_gateway(const std::string& address_text, const std::string& method, const std::string& path,
                          std::chrono::seconds patience) {
  config::Address address;
  if (const config::Fault fault = config::parse_address(address_text, address)) {
    throw InputError("--admin " + *fault);
  }
  Connection connection(address, patience);
  connection.send(request_text(address, method, path));
  const std::string received = connection.receive();
  http1::ResponseParser parser({});
  http::ResponseHead head;
  const http1::HeadResult result = parser.parse(received, method, head);
  if (result.state != http1::HeadResult::complete) connection.fail("what answers there does not speak HTTP");
  AdminResponse response{head.status, received.substr(result.consumed)};
  if (response.status == 401) {
    const bool shown = !own_token().empty();
    throw UnreachableError("the gateway at " + address.text() +
                           (shown ? std::string(" refuses the token in ") + kTokenVariable + "; expected the admin.token that it runs with"
                                  : std::string(" wants its admin token; set ") + kTokenVariable));
  }
  if (response.status == 403) throw UnreachableError("the gateway at " + address.text() + " refuses: " + response.body);
  return response;
}

}  // namespace sluice::commands
