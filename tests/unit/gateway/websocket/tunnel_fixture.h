// A tunnel between two socket pairs, whose far ends are the test's: the frames that it sends, and what it
// then sees.
#pragma once

#include <gmock/gmock.h>

#include "gateway/websocket/tunnel.h"
#include "gateway/websocket/tunnel_set.h"
#include "tests/support/io_harness.h"

namespace sluice::websocket {

using namespace std::chrono_literals;
using test::IoHarness;
using test::pattern;
using test::Peer;

inline constexpr std::uint32_t kMask = 0x11223344;

inline std::string frame(Opcode opcode, std::string_view payload, bool masked, bool final = true) {
  std::string out;
  out.push_back(static_cast<char>((final ? 0x80 : 0) | static_cast<int>(opcode)));
  const int mask_bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(mask_bit | static_cast<int>(payload.size())));
  } else if (payload.size() < 65536) {
    out.push_back(static_cast<char>(mask_bit | 126));
    for (int shift = 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(payload.size() >> shift));
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(payload.size() >> shift));
  }
  if (!masked) return out.append(payload);
  char mask[4];
  for (int i = 0; i < 4; ++i) out.push_back(mask[i] = static_cast<char>(kMask >> (24 - 8 * i)));
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return out;
}
inline std::string from_client(Opcode opcode, std::string_view payload) {
  return frame(opcode, payload, true);
}
inline std::string from_upstream(Opcode opcode, std::string_view payload) {
  return frame(opcode, payload, false);
}
inline std::string client_close(std::uint16_t code) { return make_close_frame(code, "", kMask); }
inline std::string upstream_close(std::uint16_t code) { return make_close_frame(code, "", std::nullopt); }

// A Close frame as its receiver reads it.
struct CloseFrame {
  bool masked = false;
  unsigned code = 0;
  std::string reason;
};
inline std::optional<CloseFrame> read_close(std::string_view bytes) {
  if (bytes.size() < 4 || bytes[0] != static_cast<char>(0x88)) return std::nullopt;
  CloseFrame close;
  close.masked = (bytes[1] & 0x80) != 0;
  const std::size_t size = bytes[1] & 0x7f;
  std::string mask(4, '\0');
  if (close.masked) mask = bytes.substr(2, 4);
  const std::size_t head = close.masked ? 6 : 2;
  if (bytes.size() != head + size) return std::nullopt;
  std::string payload(bytes.substr(head));
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
  close.code = static_cast<unsigned>(static_cast<unsigned char>(payload[0]) << 8 |
                                     static_cast<unsigned char>(payload[1]));
  close.reason = payload.substr(2);
  return close;
}

struct Ending {
  int told = 0;
  bool observer_gone = false;
  TunnelSummary summary;
};

class Observer : public TunnelObserver {
 public:
  explicit Observer(Ending& ending) : ending_(ending) {}
  ~Observer() override { ending_.observer_gone = true; }
  void tunnel_ended(const TunnelSummary& summary) override {
    ++ending_.told;
    ending_.summary = summary;
  }

 private:
  Ending& ending_;
};

class TunnelTest : public ::testing::Test {
 protected:
  void open(TunnelRules rules = {}, int client_buffer = 0, int upstream_buffer = 0) {
    auto [client_stream, client] = harness_.plain_stream(client_buffer);
    auto [upstream_stream, upstream] = harness_.plain_stream(upstream_buffer);
    client_ = std::move(client);
    upstream_ = std::move(upstream);
    add(std::move(client_stream), std::move(upstream_stream), rules);
  }
  void add(tls::StreamPtr client, tls::StreamPtr upstream, TunnelRules rules = {}) {
    ending_ = {};
    TunnelOpening opening;
    opening.rules = std::make_shared<TunnelRules>(rules);
    opening.terminated = terminated_;
    auto tunnel = std::make_unique<Tunnel>(std::move(client), std::move(upstream), opening, metrics_,
                                           std::make_unique<Observer>(ending_));
    tunnel_ = tunnel.get();
    set_.add(std::move(tunnel));
    harness_.settle();
  }
  std::string receive(Peer& peer, std::size_t size) {
    std::string bytes;
    EXPECT_TRUE(harness_.run_until([&] {
      bytes += peer.receive();
      return bytes.size() >= size || peer.ended();
    }));
    return bytes;
  }
  // The Close that comes next, behind `before`.
  std::optional<CloseFrame> receive_close(Peer& peer, std::string_view before = "") {
    std::string bytes;
    std::optional<CloseFrame> close;
    EXPECT_TRUE(harness_.run_until([&] {
      bytes += peer.receive();
      if (bytes.size() > before.size()) close = read_close(bytes.substr(before.size()));
      return close.has_value();
    })) << bytes.size() << " bytes";
    EXPECT_TRUE(bytes.starts_with(before));
    return close;
  }
  // Sends as the sockets take it, while the other end reads.
  std::string carry(Peer& from, Peer& to, const std::string& bytes) {
    std::size_t sent = 0;
    std::string received;
    EXPECT_TRUE(harness_.run_until([&] {
      if (sent < bytes.size()) sent += from.send_some(std::string_view(bytes).substr(sent, 40000));
      received += to.receive();
      return received.size() >= bytes.size();
    }));
    return received;
  }
  bool ended() const { return ending_.told > 0; }
  bool wait_ended(std::chrono::milliseconds patience = test::kPatience) {
    return harness_.run_until([this] { return ended(); }, patience);
  }

  IoHarness harness_;
  metrics::WebSocketMetrics metrics_{harness_.registry, 0, "chat"};
  Ending ending_;  // the tunnels of the set still tell it of their end
  TunnelSet set_{harness_.loop};
  Peer client_;
  Peer upstream_;
  Tunnel* tunnel_ = nullptr;
  std::optional<Terminated> terminated_;  // of those that are opened from now on
};

}  // namespace sluice::websocket
