#include "load_client.h"

#include <cstdio>
#include <cstdlib>

namespace sluice::bench {

namespace {

constexpr size_t kScratch = 64 * 1024;
constexpr size_t kMaxUpgradeHead = 16 * 1024;

char scratch[kScratch];

Fd connect_or_die(const LoadPlan& plan) {
  Fd fd = start_connect(plan.address);
  if (!fd) {
    std::perror("connect");
    std::exit(1);
  }
  return fd;
}

}  // namespace

LoadClient::LoadClient(const LoadPlan& plan, Poller& poller, void* tag)
    : plan_(plan),
      transport_(connect_or_die(plan), plan.context.get(), Transport::Role::client),
      reader_(plan.upgrade ? ReplyReader::websocket(plan.payloads, plan.deflate)
                           : ReplyReader::http(plan.length)) {
  poller.add_connection(transport_.fd(), tag);
}

int LoadClient::on_ready(uint32_t events) {
  transport_.on_ready(events);
  if (!transport_.flush()) fail();
  if (state_ == State::connecting || state_ == State::securing) advance_connection(events);
  if (state_ == State::upgrading) read_upgrade();
  return state_ == State::ready ? read_replies() : 0;
}

void LoadClient::advance_connection(uint32_t events) {
  if (state_ == State::connecting) {
    if (!connect_succeeded(transport_.fd())) return fail();
    if (!(events & EPOLLOUT)) return;
    state_ = State::securing;
  }
  if (transport_.secure()) {
    ptrdiff_t result = transport_.handshake();
    if (result == Transport::kFailed) return fail();
    if (result != 1) return;
  }
  begin();
}

void LoadClient::begin() {
  state_ = plan_.upgrade ? State::upgrading : State::ready;
  if (plan_.upgrade && !transport_.write(plan_.upgrade_request.data(), plan_.upgrade_request.size())) fail();
}

void LoadClient::read_upgrade() {
  ptrdiff_t got = 0;
  while ((got = transport_.read(scratch, kScratch)) > 0) {
    head_.append(scratch, static_cast<size_t>(got));
    size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos && head_.size() < kMaxUpgradeHead) continue;
    // Nothing may follow the head: an echo is silent until it is spoken to.
    bool valid = head_.starts_with("HTTP/1.1 101") && end + 4 == head_.size() &&
                 head_.find(plan_.expected_accept) != std::string::npos &&
                 (!plan_.deflate || head_.find(kDeflateAnswer) != std::string::npos);
    std::string().swap(head_);
    state_ = valid ? State::ready : State::failed;
    return;
  }
  if (got != Transport::kNothing) fail();
}

int LoadClient::read_replies() {
  int replies = 0;
  for (;;) {
    uint64_t skippable = transport_.secure() ? 0 : reader_.skippable();
    bool skip = skippable >= kScratch;
    ptrdiff_t got = skip ? transport_.discard(skippable) : transport_.read(scratch, kScratch);
    if (got == Transport::kNothing) break;
    int step = ReplyReader::kWrong;
    if (got > 0) {
      auto size = static_cast<size_t>(got);
      step = skip ? reader_.skipped(size) : reader_.consume(scratch, size);
    }
    if (step == ReplyReader::kWrong) {
      fail();
      return replies;
    }
    replies += step;
  }
  answer_pings();
  return replies;
}

void LoadClient::answer_pings() {
  const std::string pongs = reader_.take_pongs();
  if (!pongs.empty() && !transport_.write(pongs.data(), pongs.size())) fail();
}

void LoadClient::send(int units) {
  for (auto left = static_cast<size_t>(units); left > 0 && state_ == State::ready;) {
    size_t part = std::min(left, plan_.most_at_once());
    size_t begin = plan_.starts[next_];
    if (!transport_.write(plan_.block.data() + begin, plan_.starts[next_ + part] - begin)) fail();
    next_ = (next_ + part) % plan_.turn();
    left -= part;
  }
}

}  // namespace sluice::bench
