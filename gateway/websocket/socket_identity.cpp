#include "gateway/websocket/socket_identity.h"

#include <algorithm>
#include <limits>

namespace sluice::websocket {

SocketIdentity::SocketIdentity(const SocketId& id, std::chrono::system_clock::time_point opened, const Texts& texts)
    : id_(id), opened_(opened) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint16_t>::max();
  std::size_t size = 0;
  for (const std::string_view text : texts) size += text.size();
  block_.reserve(std::min(size, kMost));
  for (std::size_t i = 0; i < kTexts; ++i) {
    block_.append(texts[i].substr(0, kMost - block_.size()));
    ends_[i] = static_cast<std::uint16_t>(block_.size());
  }
}

std::string_view SocketIdentity::operator[](Text which) const noexcept {
  const auto index = static_cast<std::size_t>(which);
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(block_).substr(begin, ends_[index] - begin);
}

}  // namespace sluice::websocket
