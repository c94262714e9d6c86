#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace sluice::bench {

// Bytes without the zero-filling that a vector's resize costs.
class Buffer {
 public:
  char* data() { return data_.get(); }
  char* tail() { return data_.get() + size_; }
  size_t size() const { return size_; }
  size_t room() const { return capacity_ - size_; }
  std::string_view view() const { return {data_.get(), size_}; }
  void add(size_t count) { size_ += count; }
  void clear() { size_ = 0; }

  void ensure_room(size_t count) {
    if (room() >= count) return;
    capacity_ = std::max(capacity_ * 2, size_ + count);
    auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
    if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
  }
  void append(const char* from, size_t count) {
    ensure_room(count);
    std::memcpy(tail(), from, count);
    size_ += count;
  }
  void drop_front(size_t count) {
    size_ -= count;
    std::memmove(data_.get(), data_.get() + count, size_);
  }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sluice::bench
