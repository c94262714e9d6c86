#include "gateway/websocket/tunnel_tap.h"

#include <algorithm>

namespace sluice::websocket {

void PassingFrames::pass(std::string_view bytes, TapQueue& queue) {
  while (!bytes.empty()) {
    std::size_t taken = 0;
    if (left_ == 0) {
      taken = take_header(bytes);
    } else {
      taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      take_payload(bytes.substr(0, taken));
      left_ -= taken;
    }
    bytes.remove_prefix(taken);
    const bool told = !shows_payload_ || left_ == 0 || (frame_.payload && frame_.payload->size() == TapQueue::kMostPayload);
    if (!pending_ || !told) continue;
    pending_ = false;
    queue.put(frame_);
    frame_.payload.reset();
  }
}

std::size_t PassingFrames::take_header(std::string_view bytes) {
  const FrameHeader header{reinterpret_cast<const std::uint8_t*>(bytes.data())};
  frame_.time = std::chrono::system_clock::now();
  frame_.opcode = static_cast<Opcode>(header.opcode());
  frame_.final = header.final();
  frame_.reserved_bits = header.reserved_bits();
  frame_.masked = header.masked();
  frame_.length = header.payload();
  if (!header.is_control() && frame_.opcode != Opcode::continuation) {
    compressed_message_ = may_be_compressed_ && (header.reserved_bits() & kDeflatedBit) != 0;
  }
  frame_.compressed = compressed_message_ && !header.is_control();
  if (header.masked()) std::copy_n(header.mask(), mask_.size(), mask_.begin());
  if (shows_payload_) frame_.payload.emplace();
  left_ = frame_.length;
  pending_ = true;
  return header.size();
}

void PassingFrames::take_payload(std::string_view bytes) {
  if (!pending_ || !shows_payload_) return;
  std::string& payload = *frame_.payload;
  for (const char c : bytes.substr(0, TapQueue::kMostPayload - payload.size())) {
    const auto byte = static_cast<std::uint8_t>(c);
    payload.push_back(static_cast<char>(frame_.masked ? byte ^ mask_[payload.size() % mask_.size()] : byte));
  }
}

TunnelTap::TunnelTap(std::shared_ptr<TapQueue> queue, config::Tap shows, const ReservedBits& reserved_bits, Left left)
    : queue_(std::move(queue)),
      to_client_(metrics::Party::upstream, left.to_client, shows == config::Tap::payload, (reserved_bits.allowed & kDeflatedBit) != 0),
      to_upstream_(metrics::Party::client, left.to_upstream, shows == config::Tap::payload, (reserved_bits.allowed & kDeflatedBit) != 0) {}

}  // namespace sluice::websocket
