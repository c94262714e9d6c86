#include "gateway/http2/carrier.h"

#include "gateway/http2/stream.h"

namespace sluice::http2 {

void Carrier::add(Stream& stream) noexcept {
  stream.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &stream;
  first_ = &stream;
  ++stream_count_;
}

void Carrier::remove(Stream& stream) noexcept {
  (stream.previous_ != nullptr ? stream.previous_->next_ : first_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  stream.previous_ = stream.next_ = nullptr;
  --stream_count_;
}

void Carrier::lose_streams(ErrorCode error) {
  while (first_ != nullptr) {
    Stream& stream = *first_;
    remove(stream);
    stream.lost(error);
  }
}

}  // namespace sluice::http2
