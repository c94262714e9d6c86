#include "gateway/http/grpc_health.h"

#include <iterator>

namespace sluice::http {
namespace {

constexpr std::size_t kPrefix = 5;
constexpr std::uint64_t kStatusField = 1;

// How the value of a field is written. Groups (3, 4) are not in proto3.
enum WireType : std::uint64_t { varint = 0, eight_bytes = 1, counted = 2, four_bytes = 5 };

// Seven bits a byte, the lowest first; the last byte has no eighth bit.
std::optional<std::uint64_t> take_varint(std::string_view& bytes) noexcept {
  constexpr std::size_t kMostBytes = 10;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < kMostBytes; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) != 0) continue;
    bytes.remove_prefix(i + 1);
    return value;
  }
  return std::nullopt;
}

bool skip(std::string_view& bytes, std::uint64_t size) noexcept {
  if (size > bytes.size()) return false;
  bytes.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

bool skip_value(std::string_view& bytes, std::uint64_t wire_type) noexcept {
  switch (wire_type) {
    case varint:
      return take_varint(bytes).has_value();
    case eight_bytes:
      return skip(bytes, 8);
    case four_bytes:
      return skip(bytes, 4);
    case counted: {
      const std::optional<std::uint64_t> size = take_varint(bytes);
      return size && skip(bytes, *size);
    }
    default:
      return false;
  }
}

}  // namespace

std::string_view grpc_serving_name(std::uint64_t status) noexcept {
  constexpr std::string_view kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return status < std::size(kNames) ? kNames[status] : "an unknown status";
}

std::optional<std::uint64_t> read_grpc_health(std::string_view body) noexcept {
  if (body.size() < kPrefix || body[0] != 0) return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
  std::string_view message = body.substr(kPrefix);
  if (message.size() != size) return std::nullopt;
  std::uint64_t status = 0;
  while (!message.empty()) {
    const std::optional<std::uint64_t> tag = take_varint(message);
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    if (*tag >> 3 != kStatusField || (*tag & 7) != varint) {
      if (!skip_value(message, *tag & 7)) return std::nullopt;
      continue;
    }
    const std::optional<std::uint64_t> value = take_varint(message);
    if (!value) return std::nullopt;
    status = *value;  // the last one counts
  }
  return status;
}

}  // namespace sluice::http
