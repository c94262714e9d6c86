#include "gateway/websocket/tunnel.h"

#include <random>

#include "gateway/websocket/tunnel_set.h"
#include "tls/stream_error.h"

namespace sluice::websocket {
namespace {

// After both sides have said Close, the connections have this long to end by themselves.
constexpr std::chrono::milliseconds kCloseGrace{5000};
// A tunnel of which one side has gone without Close: the other still may send, but not be silent for long.
constexpr std::chrono::milliseconds kHalfClosedQuiet{60000};

std::mt19937& random_numbers() {
  thread_local std::mt19937 generator{std::random_device{}()};
  return generator;
}

metrics::WebSocketMetrics::Initiator initiator_of(Party party) {
  switch (party) {
    case Party::client: return metrics::WebSocketMetrics::Initiator::client;
    case Party::upstream: return metrics::WebSocketMetrics::Initiator::upstream;
    case Party::gateway: break;
  }
  return metrics::WebSocketMetrics::Initiator::gateway;
}

FrameRules rules_for(Party sender, FrameRules rules) {
  rules.masked = sender == Party::client;
  return rules;
}

DirectionTotals totals_of(const FrameCounts& counts, std::uint64_t bytes) {
  return {counts.data_frames + counts.control_frames, counts.messages, bytes};
}

}  // namespace

std::string_view name_of(Party party) noexcept {
  switch (party) {
    case Party::client: return "client";
    case Party::upstream: return "upstream";
    case Party::gateway: break;
  }
  return "gateway";
}

Tunnel::Tunnel(tls::StreamPtr client, tls::StreamPtr upstream, const TunnelLimits& limits,
               metrics::WebSocketMetrics& metrics, std::unique_ptr<TunnelObserver> observer, const void* endpoint)
    : client_(std::move(client)),
      upstream_(std::move(upstream)),
      metrics_(metrics),
      observer_(std::move(observer)),
      limits_(limits),
      endpoint_(endpoint),
      deadline_(client_->io().wheel, [](void* tunnel) { static_cast<Tunnel*>(tunnel)->on_idle(); }, this) {
  to_upstream_ = {this, client_.get(), upstream_.get(), &to_client_, &metrics_.to_upstream, Party::client,
                  FrameWalker(rules_for(Party::client, limits.frames))};
  to_client_ = {this, upstream_.get(), client_.get(), &to_upstream_, &metrics_.to_client, Party::upstream,
                FrameWalker(rules_for(Party::upstream, limits.frames))};
  open_ = metrics::GaugeHold(metrics_.tunnels_open);
}

Tunnel::~Tunnel() = default;

void Tunnel::start(TunnelSet& owner) {
  owner_ = &owner;
  if (limits_.leaves) choose_departure(limits_.leave_within);
  watch_for(limits_.idle_timeout);
  pump(to_client_);
  if (!done_) pump(to_upstream_);
}

void Tunnel::on_event(void* direction) {
  Direction& ready = *static_cast<Direction*>(direction);
  ready.tunnel->pump(ready);
}

// Carries what is there, until there is nothing, or the receiver takes no more, or this turn's share is used up.
void Tunnel::pump(Direction& direction) {
  const std::uint64_t turn_ends = direction.bytes + tls::kBytesPerTurn;
  while (!done_ && !direction.ended) {
    if (!direction.to->flushed()) return direction.to->on_flushed(&Tunnel::on_event, &direction);
    if (direction.bytes >= turn_ends) return direction.from->yield(&Tunnel::on_event, &direction);
    if (!carry_once(direction)) return;
  }
}

bool Tunnel::carry_once(Direction& direction) {
  const FrameCounts before = direction.walker.counts();
  char* scratch = direction.from->io().scratch();
  const std::optional<tls::ReadResult> spliced = splice_large(direction);
  const tls::ReadResult result = spliced ? *spliced : read_behind_held(direction, scratch);
  if (result.error == tls::StreamError::would_block) {
    direction.from->on_readable(&Tunnel::on_event, &direction);
    return false;
  }
  if (result.error) {
    if (result.error == tls::StreamError::eof) {
      sender_ended(direction);
    } else {
      lost(direction.sender, result.error);
    }
    return false;
  }
  direction.bytes += result.size;
  direction.metrics->bytes.add(result.size);
  if (!spliced) {
    const std::size_t held = direction.held.size();
    direction.held.clear();
    forward(direction, scratch, held + result.size);
  } else if (const ErrorCode& error = direction.to->write_error()) {
    lost(direction.other->sender, error);
  } else if (close_due(direction) && direction.walker.at_boundary()) {
    put_close(direction);
  }
  if (!done_) account(direction, before);
  return !done_;
}

// What did not pass before lies in front of what is read.
tls::ReadResult Tunnel::read_behind_held(Direction& direction, char* to) {
  const std::size_t held = direction.held.size();
  const tls::ReadResult result = direction.from->read_some(to + held, tls::kScratchSize - held);
  std::copy(direction.held.begin(), direction.held.end(), to);
  return result;
}

// What is left of a large frame's payload goes from socket to socket, and so does all of the next one, whose header is looked
// at where it lies. An echo of 64 KiB takes 34 to 40 us so, 45 to 96 through our memory (2026-11, EPYC; the copies' time depends on
// the core that has the pages). Nothing: no such frame is due, read.
std::optional<tls::ReadResult> Tunnel::splice_large(Direction& direction) {
  FrameWalker& walker = direction.walker;
  const bool small = !walker.frames_are_large() || !direction.held.empty();
  if (small || direction.own_close || !direction.from->can_splice_to(*direction.to)) return {};
  FrameWalker ahead = walker;
  char header[FrameHeader::kMaxSize];
  std::size_t seen = 0;
  if (walker.at_boundary()) {
    const tls::ReadResult peeked = direction.from->peek(header, sizeof header);
    if (peeked.error) return peeked;
    seen = ahead.walk(header, peeked.size);
  }
  if (seen + ahead.data_left() < FrameWalker::kLargePayload) {
    if (seen > 0) walker.expect_small();  // so that the same bytes are not looked at again
    return {};
  }
  const std::size_t size = seen + std::min<std::uint64_t>(ahead.data_left(), tls::kMostSpliced);
  const std::optional<tls::ReadResult> result = direction.from->splice_to(*direction.to, size);
  if (!result) return {};
  walker = ahead;
  if (result->size < seen) {
    walker.take_back(seen - result->size);
  } else {
    walker.pass_unseen(result->size - seen);
  }
  return result;
}

bool Tunnel::close_due(const Direction& direction) const noexcept {
  return direction.close_code != 0 && !direction.own_close && !direction.walker.close_seen();
}

void Tunnel::forward(Direction& direction, const char* data, std::size_t size) {
  FrameWalker& walker = direction.walker;
  // While we wait to put our Close in, only what completes the frame that is under way may still pass.
  std::size_t pass = size;
  const bool closes_here = close_due(direction);
  if (closes_here) {
    const std::size_t boundary = walker.boundary_within(data, size);
    if (boundary > 0) pass = boundary;
  }
  const bool was_closed = walker.close_seen();
  const bool was_broken = walker.violation() != Violation::none;
  std::size_t walked = was_closed ? 0 : walker.walk(data, pass);
  const bool discard = direction.own_close || was_closed || was_broken;
  if (!discard && walked > 0) {
    const ErrorCode error = direction.to->write({std::string_view(data, walked)});
    if (error) return lost(direction.other->sender, error);
  }
  if (walker.close_seen() && !was_closed) note_close(direction);
  if (!was_broken && walker.violation() != Violation::none) refuse(direction);
  if (closes_here && !walker.close_seen() && walker.at_boundary()) put_close(direction);
  if (walked == size || done_ || walker.close_seen()) return;
  // Nothing of the rest passes: it is looked through for the sender's Close, or is the beginning of what is not whole yet.
  walked += walker.walk(data + walked, size - walked);
  if (!walker.close_seen()) direction.held.assign(data + walked, size - walked);
}

void Tunnel::account(Direction& direction, const FrameCounts& before) {
  const FrameCounts& after = direction.walker.counts();
  direction.metrics->frames.add(after.data_frames + after.control_frames - before.data_frames - before.control_frames);
  direction.metrics->messages.add(after.messages - before.messages);
  if (after.payload_bytes != before.payload_bytes || after.data_frames != before.data_frames) last_data_ = Clock::now();
  if (const Violation seen = direction.walker.take_observed(); seen != Violation::none) note_violation(direction, seen);
  if (finished()) finish();
}

// One side is gone without a word; whoever went first is who ended the tunnel.
void Tunnel::lost(Party party, const ErrorCode& error) {
  if (first_close_code_ == 0) first_closer_ = party;
  if (!failure_) failure_ = error;
  finish();
}

void Tunnel::sender_ended(Direction& direction) {
  direction.ended = true;
  if (first_close_code_ == 0 && !direction.other->ended) first_closer_ = direction.sender;
  direction.to->shutdown_write();
  if (finished()) return finish();
  // One side has gone after a Close: the other has this long to end as well.
  if (direction.walker.close_seen() || direction.other->walker.close_seen()) {
    closing_ = true;
    deadline_.set_after(kCloseGrace);
  } else {
    watch_for(quiet_limit());
  }
}

std::optional<std::chrono::milliseconds> Tunnel::quiet_limit() const noexcept {
  if (!to_client_.ended && !to_upstream_.ended) return limits_.idle_timeout;
  return std::min(limits_.idle_timeout.value_or(kHalfClosedQuiet), kHalfClosedQuiet);
}

void Tunnel::note_close(Direction& direction) {
  if (first_close_code_ == 0) {
    first_close_code_ = direction.walker.close_code().value_or(1005);
    first_closer_ = direction.sender;
  }
  if (!closing_ && direction.other->walker.close_seen()) {
    closing_ = true;  // both have said Close: only the grace time is left
    deadline_.set_after(kCloseGrace);
  }
}

void Tunnel::note_violation(const Direction& direction, Violation violation) {
  metrics_.count_violation(initiator_of(direction.sender), violation);
  if (violation_ != Violation::none) return;
  violation_ = violation;
  violator_ = direction.sender;
}

// Its sender has broken a rule and is told so; the other side learns that this one is gone.
void Tunnel::refuse(Direction& direction) {
  const Violation violation = direction.walker.violation();
  note_violation(direction, violation);
  const std::uint16_t code = close_code_for(violation);
  const std::string reason = std::string(name_of(direction.sender)) + ": " + std::string(metrics::name_of(violation));
  if (!closing_ && first_close_code_ == 0) {
    first_close_code_ = code;
    first_closer_ = Party::gateway;
  }
  if (direction.sender == Party::client) {
    begin_close(code, kGoingAway, reason, kCloseGrace);
  } else {
    begin_close(kInternalError, code, reason, kCloseGrace);
  }
}

void Tunnel::close(std::uint16_t code, std::string_view reason, std::chrono::milliseconds grace) {
  begin_close(code, code, reason, grace);
}

void Tunnel::begin_close(std::uint16_t to_client, std::uint16_t to_upstream, std::string_view reason, std::chrono::milliseconds grace) {
  if (done_ || closing_) return;
  closing_ = true;
  to_client_.close_code = to_client;
  to_upstream_.close_code = to_upstream;
  close_reason_ = reason;
  if (first_close_code_ == 0) {
    first_close_code_ = to_client;
    first_closer_ = Party::gateway;
  }
  deadline_.set_after(to_client_.ended || to_upstream_.ended ? std::min(grace, kCloseGrace) : grace);
  for (Direction* direction : {&to_client_, &to_upstream_}) {
    if (!done_ && direction->walker.at_boundary() && !direction->walker.close_seen()) put_close(*direction);
  }
  if (!done_ && finished()) finish();
}

// Frames to the backend are masked, as any client's are (RFC 6455 5.3).
void Tunnel::put_close(Direction& direction) {
  if (direction.own_close || direction.ended) return;
  direction.own_close = true;
  std::optional<std::uint32_t> mask;
  if (direction.to == upstream_.get()) mask = static_cast<std::uint32_t>(random_numbers()());
  const ErrorCode error = direction.to->write({make_close_frame(direction.close_code, close_reason_, mask)});
  if (error) lost(direction.other->sender, error);
}

// Both directions have ended, or each side has answered the Close that we gave it.
bool Tunnel::finished() const noexcept {
  if (to_client_.ended && to_upstream_.ended) return true;
  if (to_client_.close_code == 0 || first_closer_ != Party::gateway) return false;
  const auto settled = [](const Direction& direction) { return direction.ended || direction.walker.close_seen(); };
  return settled(to_client_) && settled(to_upstream_);
}

// Wakes up when so much quiet may be over, or when it is time to leave.
void Tunnel::watch_for(std::optional<std::chrono::milliseconds> quiet) {
  if (leaves_at_ != Clock::time_point{}) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(leaves_at_ - Clock::now());
    const auto stays = std::max(left, std::chrono::milliseconds(0));
    quiet = std::min(quiet.value_or(stays), stays);
  }
  deadline_.set_after(quiet);
}

void Tunnel::leave(std::chrono::milliseconds most) {
  if (done_ || closing_) return;
  const std::chrono::milliseconds within = std::min(limits_.leave_within, most);
  // It keeps its moment when it is told again, or those that are told often would all go soon; but a drain may leave less time.
  const bool planned = leaves_at_ != Clock::time_point{} && !moves_;
  if (planned && leaves_at_ <= Clock::now() + within) return;
  moves_ = false;
  choose_departure(within);
  on_idle();
}

bool Tunnel::move(std::chrono::milliseconds within) {
  if (done_ || closing_ || leaves_at_ != Clock::time_point{}) return false;
  moves_ = true;
  choose_departure(within);
  on_idle();
  return true;
}

bool Tunnel::stay() {
  if (done_ || closing_ || !moves_) return false;
  moves_ = false;
  leaves_at_ = {};
  on_idle();
  return true;
}

void Tunnel::choose_departure(std::chrono::milliseconds within) {
  std::uniform_int_distribution<std::int64_t> moments(0, within.count());
  leaves_at_ = Clock::now() + std::chrono::milliseconds(moments(random_numbers()));
}

void Tunnel::on_idle() {
  if (closing_) return finish();
  if (leaves_at_ != Clock::time_point{} && Clock::now() >= leaves_at_) {
    if (moves_) metrics_.moved.add();
    const TunnelSet::Farewell& farewell = owner_->farewell();
    return close(farewell.code.value_or(limits_.leave_code), farewell.reason, kCloseGrace);
  }
  const auto quiet = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_data_);
  const std::optional<std::chrono::milliseconds> limit = quiet_limit();
  if (!limit) return watch_for({});
  if (quiet < *limit) return watch_for(*limit - quiet);
  if (to_client_.ended || to_upstream_.ended) return finish();  // half-closed, and nothing comes the other way
  close(kGoingAway, "idle timeout", kCloseGrace);
}

void Tunnel::cut() { finish(); }

void Tunnel::finish() {
  if (done_) return;
  done_ = true;
  deadline_.clear();
  const auto duration = Clock::now() - opened_;
  metrics_.tunnel_seconds.observe(std::chrono::duration<double>(duration).count());
  metrics_.count_close(initiator_of(first_closer_), first_close_code_);
  TunnelSummary summary;
  summary.duration = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  summary.to_client = totals_of(to_client_.walker.counts(), to_client_.bytes);
  summary.to_upstream = totals_of(to_upstream_.walker.counts(), to_upstream_.bytes);
  summary.close_code = first_close_code_;
  summary.close_initiator = first_closer_;
  summary.violation = violation_;
  summary.violator = violator_;
  summary.failure = failure_;
  observer_->tunnel_ended(summary);
  upstream_.reset();  // before its place among the endpoint's connections is given back
  observer_.reset();
  open_.release();  // after the places: whoever sees that a tunnel is gone may open another
  client_.reset();
  owner_->remove(*this);
}

}  // namespace sluice::websocket
