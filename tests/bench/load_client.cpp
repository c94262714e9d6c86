#include "load_client.h"

#include "websocket.h"

namespace sluice::bench {

namespace {

constexpr size_t kScratch = 64 * 1024;
constexpr size_t kMaxUpgradeHead = 16 * 1024;
// Not zero, so that whoever unmasks really does; always the same, so that nothing is prepared per message.
constexpr uint8_t kMask[4] = {0x37, 0xfa, 0x21, 0x3d};
constexpr const char* kKey = "c2x1aWNlLWJlbmNoLWtleQ==";

char scratch[kScratch];

LoadPlan make_plan(const std::string& to, bool tls) {
  LoadPlan plan;
  plan.address = parse_address(to);
  if (tls) plan.context = make_client_context();
  return plan;
}

std::string masked_frame(const std::string& payload) {
  std::string frame(payload.size() + 14, '\0');
  size_t head = write_frame_head(frame.data(), kFinal | kBinary, kMasked, payload.size());
  std::memcpy(frame.data() + head, kMask, 4);
  mask_copy(frame.data() + head + 4, payload.data(), payload.size(), kMask);
  frame.resize(head + 4 + payload.size());
  return frame;
}

void repeat_unit(LoadPlan& plan, const std::string& unit, int times) {
  plan.unit_size = unit.size();
  plan.units = times;
  for (int i = 0; i < times; ++i) plan.block += unit;
}

Fd connect_or_die(const LoadPlan& plan) {
  Fd fd = start_connect(plan.address);
  if (!fd) {
    std::perror("connect");
    std::exit(1);
  }
  return fd;
}

}  // namespace

LoadPlan LoadPlan::http(const std::string& to, bool tls, const std::string& path, uint64_t length) {
  LoadPlan plan = make_plan(to, tls);
  plan.length = length;
  repeat_unit(plan,
              "GET " + path + " HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", 1);
  return plan;
}

LoadPlan LoadPlan::websocket(const std::string& to, bool tls, const std::string& path, size_t size,
                             int in_flight) {
  LoadPlan plan = make_plan(to, tls);
  plan.upgrade = true;
  plan.upgrade_request = "GET " + path +
                         " HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                         kKey + "\r\n\r\n";
  plan.expected_accept = accept_for(kKey);
  for (size_t i = 0; i < size; ++i) plan.payload += static_cast<char>('a' + i % 23);
  repeat_unit(plan, masked_frame(plan.payload), in_flight);
  return plan;
}

LoadClient::LoadClient(const LoadPlan& plan, Poller& poller, void* tag)
    : plan_(plan),
      transport_(connect_or_die(plan), plan.context.get(), Transport::Role::client),
      reader_(plan.upgrade ? ReplyReader::websocket(plan.payload) : ReplyReader::http(plan.length)) {
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
                 head_.find(plan_.expected_accept) != std::string::npos;
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
    if (got == Transport::kNothing) return replies;
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
}

void LoadClient::send(int units) {
  while (units > 0 && state_ == State::ready) {
    int part = std::min(units, plan_.units);
    if (!transport_.write(plan_.block.data(), plan_.unit_size * static_cast<size_t>(part))) fail();
    units -= part;
  }
}

}  // namespace sluice::bench
