#include "gateway/websocket/tunnel_set.h"

#include "gateway/websocket/transcoder.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::websocket {

TunnelSet::TunnelSet(tls::EventLoop& loop)
    : bury_(loop, [](void* self) { static_cast<TunnelSet*>(self)->ended_.clear(); }, this) {}

TunnelSet::~TunnelSet() {
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->other_) {
    cursor->set_ = nullptr;
    cursor->at_ = nullptr;
  }
  while (first_ != nullptr) {
    Tunnel* tunnel = first_;
    first_ = tunnel->next_;
    delete tunnel;
  }
}

void TunnelSet::add(std::unique_ptr<Tunnel> tunnel) {
  Tunnel* added = tunnel.release();
  added->next_ = first_;
  if (first_ != nullptr) first_->previous_ = added;
  first_ = added;
  size_.fetch_add(1, std::memory_order_relaxed);
  added->start(*this);
  if (all_leave_ && first_ == added) added->leave(std::chrono::milliseconds(0));
}

void TunnelSet::remove(Tunnel& tunnel) {
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->other_) {
    if (cursor->at_ == &tunnel) cursor->at_ = tunnel.next_;
  }
  if (tunnel.previous_ != nullptr) {
    tunnel.previous_->next_ = tunnel.next_;
  } else {
    first_ = tunnel.next_;
  }
  if (tunnel.next_ != nullptr) tunnel.next_->previous_ = tunnel.previous_;
  size_.fetch_sub(1, std::memory_order_relaxed);
  ended_.emplace_back(&tunnel);
  bury_.request();
}

void TunnelSet::see_off(tls::DuplexPtr client) {
  if (!see_off_ || client->socket() == nullptr) return;
  client->on_readable(nullptr, nullptr);
  client->on_flushed(nullptr, nullptr);
  see_off_(std::move(client));
}

void TunnelSet::leave_all(Farewell farewell, std::chrono::milliseconds time) {
  farewell_ = std::move(farewell);
  all_leave_ = true;
  for_each([time](Tunnel& tunnel) { tunnel.leave(time_to_leave(time)); });
}

void TunnelSet::stay() {
  farewell_ = {};
  all_leave_ = false;
}

void TunnelSet::leave_if(const std::function<bool(const Tunnel&)>& is_orphan) {
  for_each([&is_orphan](Tunnel& tunnel) {
    if (is_orphan(tunnel)) tunnel.leave();
  });
}

void TunnelSet::visit(const std::function<void(const Tunnel&)>& visitor) const {
  for (const Tunnel* tunnel = first_; tunnel != nullptr; tunnel = tunnel->next_) visitor(*tunnel);
}

void TunnelSet::for_each(const std::function<void(Tunnel&)>& change) {
  for (Tunnel* tunnel = first_; tunnel != nullptr;) {
    Tunnel* next = tunnel->next_;
    change(*tunnel);
    tunnel = next;
  }
}

void TunnelSet::cut_all() {
  while (first_ != nullptr) first_->cut();
}

TranscoderOutput& TunnelSet::transcoder_output() {
  if (!transcoder_output_) transcoder_output_ = std::make_unique<TranscoderOutput>();
  return *transcoder_output_;
}

TunnelSet::Cursor::Cursor(TunnelSet& set) : set_(&set), at_(set.first_), other_(std::exchange(set.cursors_, this)) {}

TunnelSet::Cursor::~Cursor() {
  if (set_ == nullptr) return;
  Cursor** link = &set_->cursors_;
  while (*link != this) link = &(*link)->other_;
  *link = other_;
}

Tunnel* TunnelSet::Cursor::next() {
  Tunnel* tunnel = at_;
  if (tunnel != nullptr) at_ = tunnel->next_;
  return tunnel;
}

}  // namespace sluice::websocket
