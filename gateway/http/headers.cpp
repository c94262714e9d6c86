#include "gateway/http/headers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/http/characters.h"

namespace sluice::http {
namespace {

constexpr std::size_t kChunkSize = 1024;
constexpr std::size_t kTypicalFields = 24;
constexpr std::size_t kKeptFields = 128;  // over that, clear() gives the memory back

}  // namespace

bool detail::equal_when_folded(const char* a, const char* b, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

Headers::Headers(Headers&& other) noexcept { *this = std::move(other); }

Headers& Headers::operator=(Headers&& other) noexcept {
  fields_ = std::exchange(other.fields_, {});
  chunks_ = std::exchange(other.chunks_, {});
  chunk_used_ = std::exchange(other.chunk_used_, 0);
  chunk_size_ = std::exchange(other.chunk_size_, 0);
  return *this;
}

void Headers::add_view(std::string_view name, std::string_view value) {
  if (fields_.capacity() == 0) fields_.reserve(kTypicalFields);
  fields_.push_back({name, value});
}

void Headers::add(std::string_view name, std::string_view value) { add_view(keep(name), keep(value)); }

void Headers::set(std::string_view name, std::string_view value) {
  // Both may be views of a field that is about to go: its bytes stay, only the views are dropped.
  remove(name);
  add(name, value);
}

std::size_t Headers::remove(std::string_view name) {
  return std::erase_if(fields_, [name](const Field& field) { return equals_ignore_case(field.name, name); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const noexcept {
  for (const Field& field : fields_) {
    if (equals_ignore_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), [name](const Field& field) {
    return equals_ignore_case(field.name, name);
  }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const noexcept {
  bool found = false;
  for (const Field& field : fields_) {
    if (!equals_ignore_case(field.name, name)) continue;
    for_each_list_member(
        field.value, [&](std::string_view member) { found = found || equals_ignore_case(member, token); });
  }
  return found;
}

std::string_view Headers::keep(std::string_view text) {
  if (text.empty()) return {};
  if (chunk_size_ - chunk_used_ < text.size()) {
    if (text.size() > kChunkSize / 2) {
      // A chunk of its own, in front of the one being filled, which stays the last.
      Chunk own = make_chunk(text.size());
      std::memcpy(own.get(), text.data(), text.size());
      const std::string_view kept(own.get(), text.size());
      chunks_.insert(chunk_size_ == 0 ? chunks_.end() : chunks_.end() - 1, std::move(own));
      return kept;
    }
    chunks_.push_back(make_chunk(kChunkSize));
    chunk_size_ = kChunkSize;
    chunk_used_ = 0;
  }
  char* const place = chunks_.back().get() + chunk_used_;
  std::memcpy(place, text.data(), text.size());
  chunk_used_ += text.size();
  return {place, text.size()};
}

void Headers::clear() noexcept {
  if (fields_.capacity() > kKeptFields) {
    decltype(fields_)().swap(fields_);
  } else {
    fields_.clear();
  }
  chunk_used_ = 0;
  if (chunk_size_ == 0) {
    chunks_.clear();
  } else if (chunks_.size() > 1) {
    // One chunk is kept for the next message; what a single large message needed is given back.
    std::swap(chunks_.front(), chunks_.back());
    chunks_.resize(1);
  }
}

}  // namespace sluice::http
