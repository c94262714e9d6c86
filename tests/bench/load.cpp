// The load generator: one thread, bounded in time, prints one line of JSON.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "arguments.h"
#include "load_modes.h"

namespace {

constexpr const char* kUsage =
    "usage: bench_load http|https|ws|wss|handshake|idle --to 127.0.0.1:PORT [options]\n"
    "  --path PATH         default /1k for http and https, /ws otherwise\n"
    "  --length BYTES      the response length that is right (http, https; 1024)\n"
    "  --size BYTES        message size (ws, wss: 128; idle with --carry: 65536)\n"
    "  --connections N     64; for idle the number of tunnels\n"
    "  --deflate           offer permessage-deflate, and send text by it\n"
    "  --in-flight M       messages in flight on each connection (ws, wss; 1)\n"
    "  --seconds S         measured time (2); for idle the longest time to stay\n"
    "  --warmup S          before it (0.3)\n"
    "  --rate R            units per second over all connections (as fast as answers come)\n"
    "  --tls               for handshake and idle\n"
    "  --carry BYTES       idle: each tunnel echoes so much when a line comes on standard input\n"
    "  --watch PID,PID     CPU time of these processes over the measured time\n";

// A hung proxy must not hang the bench: past its own limits the program is ended by SIGALRM.
constexpr unsigned kGraceSeconds = 30;

}  // namespace

int main(int argc, char** argv) {
  using namespace sluice::bench;
  Arguments arguments(argc, argv, kUsage);
  if (arguments.words().size() != 1) arguments.fail("one mode is needed");
  const std::string mode = arguments.words()[0];
  const bool http = mode == "http" || mode == "https";
  const bool idle = mode == "idle";
  if (!http && !idle && mode != "ws" && mode != "wss" && mode != "handshake") {
    arguments.fail("unknown mode " + mode);
  }
  LoadOptions options;
  options.connections = static_cast<int>(arguments.number("connections", options.connections));
  options.in_flight = static_cast<int>(arguments.number("in-flight", 1));
  options.seconds = arguments.number("seconds", options.seconds);
  options.warmup = arguments.number("warmup", options.warmup);
  options.rate = arguments.number("rate", 0);
  options.carry = static_cast<uint64_t>(arguments.number("carry", 0));
  options.watch = arguments.text("watch");
  const bool tls = arguments.flag("tls") || mode == "https" || mode == "wss";
  const std::string to = arguments.required("to");
  const std::string path = arguments.text("path", http ? "/1k" : "/ws");
  const auto length = static_cast<uint64_t>(arguments.number("length", 1024));
  Messages messages;
  messages.size = static_cast<size_t>(arguments.number("size", idle ? 65536 : 128));
  messages.in_flight = options.in_flight;
  messages.deflate = arguments.flag("deflate");
  arguments.finish();
  if (options.connections < 1 || options.in_flight < 1 || messages.size < 1 ||
      (http && options.in_flight > 1)) {
    arguments.fail("a count is out of range");
  }

  std::signal(SIGPIPE, SIG_IGN);
  ::alarm(static_cast<unsigned>(options.seconds + options.warmup) + kGraceSeconds);
  const LoadPlan plan =
      http ? LoadPlan::http(to, tls, path, length) : LoadPlan::websocket(to, tls, path, messages);
  Result result = idle                  ? run_idle(plan, options)
                  : mode == "handshake" ? run_handshakes(plan, options)
                                        : run_throughput(plan, options);
  print_json(result);
  return result.units > 0 && result.errors == 0 ? 0 : 1;
}
