// Asks one endpoint again and again whether it is well, each time over a connection of its own, which is made as those
// for requests are. The health thread's alone.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>

#include "tls/client_context.h"
#include "tls/stream.h"
#include "upstream/endpoint.h"

namespace sluice::upstream {

// Asks over a connection that is there, in HTTP/2 or HTTP/1.1, and tells what is wrong; empty: nothing. The caller bounds it by
// aborting the stream. What is asked is not known here: the gateway hands it in. The arguments outlast it.
using HttpProbe = Awaitable<std::string> (*)(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint,
                                             bool h2);

// What checks work with.
struct CheckTools {
  tls::WorkerIo& io;
  HttpProbe http_probe;
  std::shared_ptr<const tls::ClientContext> tls_context;  // null where no endpoint is https
  bool h2 = false;           // what is asked goes over HTTP/2; not for kind tcp
  std::string opening = {};  // what connections begin with: the PROXY header of one that is for no client, or nothing
};

class HealthCheck {
 public:
  // `problem`: empty when it is well.
  using Ended = std::function<void(const std::string& problem)>;

  HealthCheck(CheckTools tools, const config::HealthCheck& settings, const config::Endpoint& endpoint, Ended ended);
  HealthCheck(const HealthCheck&) = delete;
  HealthCheck& operator=(const HealthCheck&) = delete;
  ~HealthCheck();  // calls off what is under way; `ended` is not called any more

  // Begins; the first answer is there soon. `known`: there have been checks before, so that there is no hurry.
  void start(bool known);
  // From the resolver.
  void set_addresses(const std::string& host, std::uint16_t port, const std::shared_ptr<const Addresses>& addresses);

 private:
  struct Probe;
  void wait(double least_share, double most_share, std::chrono::milliseconds of);
  void probe();
  void ended(const Probe& probe, std::string problem);
  static Awaitable<> run(std::shared_ptr<Probe> probe);
  static Awaitable<std::string> ask(std::shared_ptr<Probe> probe);

  CheckTools tools_;
  const config::HealthCheck settings_;
  Endpoint endpoint_;
  Ended ended_;
  tls::Deadline next_;
  std::shared_ptr<Probe> running_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace sluice::upstream
