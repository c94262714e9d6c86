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
// Each may have a window's worth of unread body and a request under way.
constexpr std::uint64_t kMostStreams = 10'000;
// Clients that keep to what they are told would send nothing at all under a smaller one.
constexpr std::uint64_t kSmallestHeaderList = 1024;
constexpr std::uint64_t kLargestHeaderList = kMiB;
constexpr std::uint64_t kMostResets = 1'000'000;

const Table<Http2Limits>& http2_table() {
  static const Table<Http2Limits> table{
      integer("max_concurrent_streams", &Http2Limits::max_concurrent_streams, {1, kMostStreams}),
      size("max_header_list", &Http2Limits::max_header_list, {kSmallestHeaderList, kLargestHeaderList}),
      rate("max_resets", &Http2Limits::max_resets, {1, kMostResets}),
  };
  return table;
}

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
      map("http2", &Limits::http2, http2_table()),
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
