// Where a socket connects to: an address of any family, as the kernel takes it. A value.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cassert>
#include <compare>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "tls/io_types.h"

namespace sluice::upstream {

class SocketAddress {
 public:
  // `address`: a sockaddr of any family.
  SocketAddress(const void* address, std::size_t size) noexcept : size_(static_cast<socklen_t>(size)) {
    assert(size <= sizeof storage_);
    std::memcpy(&storage_, address, size);
  }
  // `path` fits: the configuration has seen to that.
  static SocketAddress unix_socket(const std::string& path) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return {&address, offsetof(sockaddr_un, sun_path) + path.size() + 1};
  }
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }
  int family() const noexcept { return storage_.ss_family; }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept { return a.bytes() == b.bytes(); }
  friend auto operator<=>(const SocketAddress& a, const SocketAddress& b) noexcept { return a.bytes() <=> b.bytes(); }

 private:
  std::string_view bytes() const noexcept { return {reinterpret_cast<const char*>(&storage_), size_}; }

  sockaddr_storage storage_{};
  socklen_t size_;
};

using Addresses = std::vector<SocketAddress>;

}  // namespace sluice::upstream
