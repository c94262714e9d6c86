// The floor: what moving the bytes costs and nothing else. Accepts on a free loopback port, connects to --to
// and copies both ways; with --certificate and --key it terminates TLS. Prints its port; ends with its stdin.

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "transport.h"

namespace sluice::bench {
namespace {

constexpr size_t kBlock = 64 * 1024;

struct Pair;

struct End {
  End(Pair& owner, Fd fd, SSL_CTX* context, bool is_ready)
      : pair(owner), transport(std::move(fd), context, Transport::Role::server), ready(is_ready) {}
  Pair& pair;
  Transport transport;
  bool ready;  // connected, or done with the TLS handshake
  bool ended = false;
};

struct Pair {
  Pair(Fd accepted, SSL_CTX* context, Fd connecting)
      : client(*this, std::move(accepted), context, context == nullptr),
        upstream(*this, std::move(connecting), nullptr, false) {}
  End& other(const End& end) { return &end == &client ? upstream : client; }
  End client;
  End upstream;
  bool dead = false;
};

class Relay {
 public:
  Relay(sockaddr_in target, SSL_CTX* context)
      : target_(target), context_(context), listener_(listen_on_loopback(port_)) {}

  void run();

 private:
  void accept_all();
  bool advance(End& end, uint32_t events);
  bool become_ready(End& end, uint32_t events);
  bool pump(End& from, End& to);

  sockaddr_in target_;
  SSL_CTX* context_;
  uint16_t port_ = 0;
  Fd listener_;
  Poller poller_;
  std::unique_ptr<char[]> block_ = std::make_unique<char[]>(kBlock);
  std::vector<Pair*> dead_;
};

void Relay::run() {
  poller_.add_listener(listener_.get(), this);
  poller_.add_standard_input(nullptr);
  std::printf("%u\n", port_);
  std::fflush(stdout);
  for (;;) {
    for (const epoll_event& event : poller_.wait(-1)) {
      if (event.data.ptr == nullptr) return;
      if (event.data.ptr == this) {
        accept_all();
        continue;
      }
      End& end = *static_cast<End*>(event.data.ptr);
      if (end.pair.dead || advance(end, event.events)) continue;
      end.pair.dead = true;
      dead_.push_back(&end.pair);
    }
    // Only now: the same wait may have reported the other end too.
    for (Pair* pair : dead_) delete pair;
    dead_.clear();
  }
}

void Relay::accept_all() {
  while (Fd accepted = accept_connection(listener_.get())) {
    Fd connecting = start_connect(target_);
    if (!connecting) continue;
    auto* pair = new Pair(std::move(accepted), context_, std::move(connecting));
    poller_.add_connection(pair->client.transport.fd(), &pair->client);
    poller_.add_connection(pair->upstream.transport.fd(), &pair->upstream);
  }
}

// False when the pair is finished.
bool Relay::advance(End& end, uint32_t events) {
  End& other = end.pair.other(end);
  end.transport.on_ready(events);
  if (!end.transport.flush()) return false;
  if (!end.ready && !become_ready(end, events)) return false;
  if (!end.ready || !other.ready) return true;
  if (!pump(end, other) || !pump(other, end)) return false;
  bool all_sent = !end.transport.has_unsent() && !other.transport.has_unsent();
  return !(end.ended && other.ended && all_sent);
}

bool Relay::become_ready(End& end, uint32_t events) {
  if (end.transport.secure()) {
    ptrdiff_t result = end.transport.handshake();
    end.ready = result == 1;
    return result != Transport::kFailed;
  }
  if (!connect_succeeded(end.transport.fd())) return false;
  end.ready = (events & EPOLLOUT) != 0;
  return true;
}

bool Relay::pump(End& from, End& to) {
  while (!from.ended && !to.transport.has_unsent()) {
    ptrdiff_t got = from.transport.read(block_.get(), kBlock);
    if (got == Transport::kNothing) return true;
    if (got == Transport::kFailed) return false;
    if (got == 0) {
      from.ended = true;
      return to.transport.finish();
    }
    if (!to.transport.write(block_.get(), static_cast<size_t>(got))) return false;
  }
  return true;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice::bench;
  Arguments arguments(argc, argv, "usage: bench_relay --to 127.0.0.1:PORT [--certificate FILE --key FILE]\n");
  sockaddr_in target = parse_address(arguments.required("to"));
  std::string certificate = arguments.text("certificate");
  std::string key = arguments.text("key");
  arguments.finish();
  std::signal(SIGPIPE, SIG_IGN);
  SslContext context(nullptr, SSL_CTX_free);
  if (!certificate.empty()) context = make_server_context(certificate, key);
  Relay(target, context.get()).run();
}
