#include "gateway/websocket/tunnel.h"

#include "gateway/websocket/text_inspection.h"
#include "gateway/websocket/translation.h"
#include "gateway/websocket/tunnel_set.h"

namespace sluice::websocket {
namespace {

FrameRules rules_for(Party sender, const TunnelOpening& opening) {
  FrameRules rules = opening.rules->frames;
  rules.masked = sender == Party::client;
  rules.reserved_bits = opening.reserved_bits.allowed;
  rules.any_reserved_bits = opening.reserved_bits.any;
  return rules;
}

DirectionTotals totals_of(const FrameCounts& counts, std::uint64_t bytes) {
  return {counts.frames(), counts.messages, bytes};
}

}  // namespace

Tunnel::Tunnel(tls::DuplexPtr client, tls::DuplexPtr upstream, TunnelOpening opening, metrics::WebSocketMetrics& metrics,
               std::unique_ptr<TunnelObserver> observer)
    : client_(std::move(client)),
      upstream_(std::move(upstream)),
      metrics_(metrics),
      observer_(std::move(observer)),
      opening_(std::move(opening)),
      deadline_(client_->io().wheel, [](void* tunnel) { static_cast<Tunnel*>(tunnel)->on_time(); }, this) {
  to_upstream_ = {this, client_.get(), upstream_.get(), &to_client_, &metrics_.to_upstream, Party::client,
                  FrameWalker(rules_for(Party::client, opening_), &metrics_.to_upstream.message_bytes)};
  to_client_ = {this, upstream_.get(), client_.get(), &to_upstream_, &metrics_.to_client, Party::upstream,
                FrameWalker(rules_for(Party::upstream, opening_), &metrics_.to_client.message_bytes)};
  if (opening_.terminated) {
    terminate(*opening_.terminated);
  } else if (rules().validate_utf8) {
    to_upstream_.inspection = std::make_unique<TextInspection>();
    to_client_.inspection = std::make_unique<TextInspection>();
  }
  client_->set_most_kept(rules().slow_consumer.buffer);
  open_ = metrics::GaugeHold(metrics_.tunnels_open);
}

Tunnel::~Tunnel() = default;

void Tunnel::start(TunnelSet& owner) {
  owner_ = &owner;
  if (opening_.endpoint_left) choose_departure(rules().leave_within);
  begin_asking();
  watch();
  pump(to_client_);
  if (!done_) pump(to_upstream_);
}

std::mt19937& Tunnel::random_numbers() {
  thread_local std::mt19937 generator{std::random_device{}()};
  return generator;
}

void Tunnel::cut() { finish(); }

TapOutcome Tunnel::begin_tap(std::shared_ptr<TapQueue> queue) {
  if (done_) return TapOutcome::ended;
  if (rules().tap == config::Tap::off) return TapOutcome::off;
  if (tap_ && !tap_->left()) return TapOutcome::taken;
  const auto left = [](const Direction& direction) { return direction.translation ? 0 : direction.walker.passing_left(); };
  const bool deflates = opening_.terminated && opening_.terminated->deflate;
  const ReservedBits bits = deflates ? ReservedBits{kDeflatedBit, false} : opening_.reserved_bits;
  tap_ = std::make_unique<TunnelTap>(std::move(queue), rules().tap, bits, TunnelTap::Left{left(to_client_), left(to_upstream_)});
  return TapOutcome::begun;
}

SocketFacts Tunnel::facts(Clock::time_point now) const {
  const auto since = [now](Clock::time_point moment) { return std::chrono::duration_cast<std::chrono::milliseconds>(now - moment); };
  const auto facts_of = [this, now](const Direction& direction) {
    return SocketFacts::Direction{direction.walker.counts().messages, direction.bytes, direction.lately.per_second(now, opened_)};
  };
  return {opening_.identity, since(opened_), since(last_data_), facts_of(to_client_), facts_of(to_upstream_), closing_};
}

void Tunnel::finish() {
  if (done_) return;
  done_ = true;
  deadline_.clear();
  tap_.reset();
  const auto duration = Clock::now() - opened_;
  metrics_.tunnel_seconds.observe(std::chrono::duration<double>(duration).count());
  metrics_.count_close(first_closer_, first_close_code_);
  TunnelSummary summary;
  summary.duration = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  summary.to_client = totals_of(to_client_.walker.counts(), to_client_.bytes - to_client_.put_back);
  summary.to_upstream = totals_of(to_upstream_.walker.counts(), to_upstream_.bytes - to_upstream_.put_back);
  summary.close_code = first_close_code_;
  summary.close_initiator = first_closer_;
  if (first_closer_ == Party::gateway) summary.close_reason = close_reason_;
  summary.violation = violation_;
  summary.violator = violator_;
  summary.outlived = outlived_;
  summary.failure = failure_;
  observer_->tunnel_ended(summary);
  // A stream among others is reset where its peer was not told why.
  if (upstream_->socket() == nullptr && told(to_upstream_)) upstream_->shutdown_write();
  upstream_.reset();  // before its place among the endpoint's connections is given back
  observer_.reset();
  open_.release();  // after the places: whoever sees that a tunnel is gone may open another
  if (told(to_client_)) client_->shutdown_write();
  tls::DuplexPtr client = std::move(client_);
  owner_->remove(*this);
  owner_->see_off(std::move(client));
}

}  // namespace sluice::websocket
