// A list of header fields in order, as views. Parsing adds views into bytes that somebody else owns; fields
// that the gateway adds are copied into the list's own arena. Names keep their case; look-ups ignore it (RFC
// 9110 5.1). One exchange owns it; not thread-safe. clear() keeps the memory for the next message of the
// connection.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tls/frame_memory.h"

namespace sluice::http {

struct Field {
  std::string_view name;
  std::string_view value;  // without surrounding white space
};

namespace detail {
bool equal_when_folded(const char* a, const char* b, std::size_t size) noexcept;
}

// Most names differ in length already, which costs no call.
inline bool equals_ignore_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && detail::equal_when_folded(a.data(), b.data(), a.size());
}

class Headers {
 public:
  Headers() = default;
  Headers(Headers&& other) noexcept;
  Headers& operator=(Headers&& other) noexcept;

  // The bytes behind both views must outlive the list (or its next clear()).
  void add_view(std::string_view name, std::string_view value);
  void add(std::string_view name, std::string_view value);  // copies
  // Removes every field of that name, then adds one.
  void set(std::string_view name, std::string_view value);
  // How many were removed.
  std::size_t remove(std::string_view name);
  template <typename Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(fields_, predicate);
  }

  // The first field of that name.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
  bool contains(std::string_view name) const noexcept { return find(name).has_value(); }
  std::size_t count(std::string_view name) const noexcept;
  // Whether a comma-separated list field (all lines of that name) has `token`, ignoring case (RFC
  // 9110 5.6.1).
  bool has_token(std::string_view name, std::string_view token) const noexcept;

  // A copy that lives as long as the list (or its next clear()).
  std::string_view keep(std::string_view text);

  auto begin() const noexcept { return fields_.begin(); }
  auto end() const noexcept { return fields_.end(); }
  std::size_t size() const noexcept { return fields_.size(); }
  bool empty() const noexcept { return fields_.empty(); }
  void clear() noexcept;

 private:
  struct Release {
    std::size_t size = 0;
    void operator()(char* chunk) const noexcept { FrameMemory::release(chunk, size); }
  };
  using Chunk = std::unique_ptr<char[], Release>;
  static Chunk make_chunk(std::size_t size) { return Chunk(static_cast<char*>(FrameMemory::allocate(size)), {size}); }

  std::vector<Field, FrameAllocator<Field>> fields_;
  std::vector<Chunk, FrameAllocator<Chunk>> chunks_;  // the arena: a bump allocator; large texts get a chunk of their own
  std::size_t chunk_used_ = 0;
  std::size_t chunk_size_ = 0;
};

// Calls `visit(token)` for each member of a comma-separated list, white space trimmed, empty members skipped.
template <typename Visitor>
void for_each_list_member(std::string_view list, Visitor visit) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    std::string_view member = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) member.remove_prefix(1);
    while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) member.remove_suffix(1);
    if (!member.empty()) visit(member);
  }
}

}  // namespace sluice::http
