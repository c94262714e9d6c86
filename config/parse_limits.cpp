// `limits` and `timeouts`.
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kTiB = 1ull << 40;
constexpr std::uint64_t kMostConnections = 10'000'000;
constexpr std::uint64_t kMostHeaders = 10'000;
// A head is held in memory as a whole, so its bound stays small against max_held_bytes.
constexpr std::uint64_t kLargestHead = 16 * kMiB;
// One relay block must fit, else nothing could ever be relayed.
constexpr std::uint64_t kSmallestHeldBytes = 64 * 1024;

}  // namespace

const Table<Limits>& limits_table() {
  static const Table<Limits> table{
      integer("max_connections", &Limits::max_connections, {1, kMostConnections}),
      integer("max_connections_per_client", &Limits::max_connections_per_client, {1, kMostConnections}),
      size("max_request_line", &Limits::max_request_line, {16, kLargestHead}),
      size("max_request_head", &Limits::max_request_head, {16, kLargestHead}),
      integer("max_headers", &Limits::max_headers, {1, kMostHeaders}),
      size("max_request_body", &Limits::max_request_body, {0, 1024 * kTiB}),
      size("max_held_bytes", &Limits::max_held_bytes, {kSmallestHeldBytes, kTiB}),
      later<Limits>("http2", later_infos({"max_concurrent_streams", "max_header_list", "max_resets"})),
  };
  return table;
}

const Table<Timeouts>& timeouts_table() {
  static const Table<Timeouts> table{
      duration("tls_handshake", &Timeouts::tls_handshake),
      duration("request_head", &Timeouts::request_head),
      duration("request_body_idle", &Timeouts::request_body_idle),
      duration("keepalive_idle", &Timeouts::keepalive_idle),
      duration("client_write_idle", &Timeouts::client_write_idle),
      duration("connect", &Timeouts::connect),
      duration("response_head", &Timeouts::response_head),
      duration("response_body_idle", &Timeouts::response_body_idle),
      duration("drain", &Timeouts::drain),
  };
  return table;
}

}  // namespace sluice::config
