// Writes frames one behind the other into memory of a fixed size; a frame's payload may grow until it ends. Its worker's tunnels use it
// by turns, each from clear() to the write of bytes().
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "gateway/websocket/frame.h"
#include "gateway/websocket/masking.h"

namespace sluice::websocket {

class FrameWriter {
 public:
  explicit FrameWriter(std::size_t capacity);

  void clear() noexcept { size_ = 0; }
  std::string_view bytes() const noexcept { return {memory_.get(), size_}; }  // while no frame is open
  std::size_t size() const noexcept { return size_; }                          // with the open frame
  // So many bytes of payload may still come: of the open frame, or of one that is begun now.
  std::size_t left() const noexcept { return capacity_ - std::min(capacity_, size_ + FrameHeader::kMaxSize); }

  // Opens a frame of `first` (opcode and reserved bits), masked with `mask`. `expected`: how long its payload is likely to be, so that it
  // need not be moved when it ends.
  void begin(std::uint8_t first, std::optional<MaskKey> mask, std::size_t expected) noexcept;
  bool is_open() const noexcept { return header_size_ != 0; }
  std::size_t payload() const noexcept { return size_ - begin_ - header_size_; }  // of the open frame
  // Where its payload goes on: left() bytes. Then grow() says how many came.
  char* room() noexcept { return memory_.get() + size_; }
  void grow(std::size_t size) noexcept { size_ += size; }
  void end(bool final) noexcept;
  void discard() noexcept;  // the open frame, if one is

  // A whole one.
  void put(Opcode opcode, std::string_view payload, std::optional<MaskKey> mask) noexcept;

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  // Of the open frame.
  std::size_t begin_ = 0;
  std::size_t header_size_ = 0;  // room that was left for it; 0: none is open
  std::uint8_t first_ = 0;
  std::optional<MaskKey> mask_;
};

}  // namespace sluice::websocket
