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
constexpr char kNoHttp[] = "what answers there does not speak HTTP";
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

  // Appends what comes next; false: the gateway has closed.
  bool receive_some(std::string& received) {
    char chunk[16384];
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
      if (n > 0) received.append(chunk, static_cast<std::size_t>(n));
      if (n >= 0) return n > 0;
      if (errno != EAGAIN) fail(std::strerror(errno));
      wait_for(POLLIN);
    }
  }
  std::string receive() {
    std::string received;
    while (receive_some(received)) {
      if (received.size() > kMostBytes) fail("it does not stop answering");
    }
    return received;
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

config::Address address_of(const std::string& text) {
  config::Address address;
  if (const config::Fault fault = config::parse_address(text, address)) throw InputError("--admin " + *fault);
  return address;
}

// It does not let us in.
void check_admission(const config::Address& address, const AdminResponse& response) {
  if (response.status == 401) {
    const bool shown = !own_token().empty();
    throw UnreachableError("the gateway at " + address.text() +
                           (shown ? std::string(" refuses the token in ") + kTokenVariable + "; expected the admin.token that it runs with"
                                  : std::string(" wants its admin token; set ") + kTokenVariable));
  }
  if (response.status == 403) throw UnreachableError("the gateway at " + address.text() + " refuses: " + response.body);
}

}  // namespace

AdminResponse ask_gateway(const std::string& address_text, const std::string& method, const std::string& path,
                          std::chrono::seconds patience) {
  const config::Address address = address_of(address_text);
  Connection connection(address, patience);
  connection.send(request_text(address, method, path));
  const std::string received = connection.receive();
  http1::ResponseParser parser({});
  http::ResponseHead head;
  const http1::HeadResult result = parser.parse(received, method, head);
  if (result.state != http1::HeadResult::complete) connection.fail(kNoHttp);
  AdminResponse response{head.status, received.substr(result.consumed)};
  check_admission(address, response);
  return response;
}

AdminResponse follow_gateway(const std::string& address_text, const std::string& path, std::chrono::seconds patience,
                             const std::function<void(const std::string& line)>& print) {
  const config::Address address = address_of(address_text);
  Connection connection(address, patience);
  connection.send(request_text(address, "GET", path));
  http1::ResponseParser parser({});
  http::ResponseHead head;
  http1::HeadResult result;
  std::string received;
  bool goes_on = true;
  while (goes_on && result.state == http1::HeadResult::incomplete) {
    goes_on = connection.receive_some(received);
    result = parser.parse(received, "GET", head);
  }
  if (result.state != http1::HeadResult::complete) connection.fail(kNoHttp);
  const unsigned status = head.status;
  received.erase(0, result.consumed);
  while (goes_on && status != 200) goes_on = received.size() <= kMostBytes && connection.receive_some(received);
  const AdminResponse response{status, status == 200 ? "" : received};
  check_admission(address, response);
  while (status == 200) {
    for (std::size_t end = received.find('\n'); end != std::string::npos; end = received.find('\n')) {
      print(received.substr(0, end));
      received.erase(0, end + 1);
    }
    if (!goes_on) break;
    if (received.size() > kMostBytes) connection.fail("a line of its answer does not end");
    goes_on = connection.receive_some(received);
  }
  return response;
}

std::string url_escaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  static constexpr std::string_view kPlain = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kPlain.find(c) != std::string_view::npos;
    if (is_plain) {
      out.push_back(c);
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace sluice::commands
