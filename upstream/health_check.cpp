#include "upstream/health_check.h"

#include <algorithm>

#include "config/value_text.h"
#include "metrics/log.h"
#include "tls/stream_error.h"
#include "upstream/connector.h"

namespace sluice::upstream {
namespace {

// Within so long after the start every endpoint is asked.
constexpr std::chrono::milliseconds kFirstWithin{100};
// Checks of many endpoints, and of many gateways, must not come together.
constexpr double kJitter = 0.1;

std::string text_of(const Failure& failure) {
  std::string text(name_of(failure.code));
  if (!failure.detail.empty()) text += " (" + failure.detail + ")";
  return text;
}

}  // namespace

// One question. It outlives the check when that ends meanwhile.
struct HealthCheck::Probe {
  Probe(HealthCheck& its_owner, const Endpoint& asked)
      : owner(&its_owner),
        tools(its_owner.tools_),
        settings(its_owner.settings_),
        endpoint(asked),
        limit(
            tools.io.wheel, [](void* probe) { static_cast<Probe*>(probe)->stop(tls::StreamError::timed_out); }, this) {}

  void stop(ErrorCode reason) {
    timed_out = reason == tls::StreamError::timed_out;
    if (stream) stream->abort(reason);
    cancellation.cancel(reason);  // last: it may end the probe
  }

  HealthCheck* owner;  // null: nobody wants to know any more
  const CheckTools tools;
  const config::HealthCheck settings;
  Endpoint endpoint;
  tls::Cancellation cancellation;
  tls::StreamPtr stream;
  tls::Deadline limit;
  bool timed_out = false;
  bool no_verdict = false;  // descriptors, ports or memory were wanting here: it says nothing of the endpoint
};

HealthCheck::HealthCheck(CheckTools tools, const config::HealthCheck& settings, const config::Endpoint& endpoint, Ended ended)
    : tools_(std::move(tools)),
      settings_(settings),
      endpoint_{endpoint, nullptr, nullptr, 0, false, 0},
      ended_(std::move(ended)),
      next_(tools_.io.wheel, [](void* self) { static_cast<HealthCheck*>(self)->probe(); }, this) {}

HealthCheck::~HealthCheck() {
  if (!running_) return;
  running_->owner = nullptr;
  running_->stop(tls::StreamError::cancelled);
}

void HealthCheck::start(bool known) {
  wait(0, 1, known ? settings_.interval : std::min(settings_.interval, kFirstWithin));
}

void HealthCheck::wait(double least_share, double most_share, std::chrono::milliseconds of) {
  const double share = std::uniform_real_distribution<double>(least_share, most_share)(random_);
  next_.set_after(std::chrono::milliseconds(static_cast<std::int64_t>(share * static_cast<double>(of.count()))));
}

void HealthCheck::set_addresses(const std::string& host, std::uint16_t port,
                                const std::shared_ptr<const Addresses>& addresses) {
  if (endpoint_.settings.host == host && endpoint_.settings.port == port) endpoint_.addresses = addresses;
}

void HealthCheck::probe() {
  try {
    running_ = std::make_shared<Probe>(*this, endpoint_);
    ++endpoint_.next_address;
    running_->limit.set_after(settings_.timeout);
    tools_.io.loop.spawn(run(running_));
  } catch (const std::exception&) {  // memory ran out: the next one may be made
    running_.reset();
    wait(1 - kJitter, 1 + kJitter, settings_.interval);
  }
}

Awaitable<> HealthCheck::run(std::shared_ptr<Probe> probe) {
  std::string problem;
  try {
    problem = co_await ask(probe);
  } catch (const std::exception&) {
    probe->no_verdict = true;
  }
  probe->limit.clear();
  if (probe->owner != nullptr) probe->owner->ended(*probe, std::move(problem));
}

// Last: it may end the check.
void HealthCheck::ended(const Probe& probe, std::string problem) {
  running_.reset();
  wait(1 - kJitter, 1 + kJitter, settings_.interval);
  if (probe.no_verdict) return;
  try {
    if (probe.timed_out) problem = "no answer in " + config::duration_text(settings_.timeout);
    ended_(problem);
  } catch (const std::exception& error) {  // memory ran out: the next one tells
    metrics::log().error("health: {}", error.what());
  }
}

Awaitable<std::string> HealthCheck::ask(std::shared_ptr<Probe> probe) {
  Result<tls::StreamPtr> stream =
      co_await connect(probe->tools.io, probe->endpoint, probe->tools.tls_context.get(), std::nullopt, probe->cancellation,
                       probe->tools.opening, probe->tools.h2 ? tls::OfferedProtocols::h2 : tls::OfferedProtocols::http_1_1);
  if (!stream) {
    probe->no_verdict = stream.failure().ours;
    co_return text_of(stream.failure());
  }
  probe->stream = std::move(*stream);
  if (probe->settings.kind == config::CheckKind::tcp) co_return std::string();
  if (probe->tools.h2 && probe->stream->is_tls() && probe->stream->alpn() != "h2") co_return std::string("did not agree on h2 (ALPN)");
  std::string problem =
      co_await probe->tools.http_probe(*probe->stream, probe->settings, probe->endpoint.settings, probe->tools.h2);
  co_return problem;
}

}  // namespace sluice::upstream
