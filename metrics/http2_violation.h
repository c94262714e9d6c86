// What a client may do wrong on HTTP/2: the label `reason` of sluice_http2_violations_total.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::metrics {

// Each has a name in name_of() and a row in docs/http2.md. All but the last two end the connection.
enum class Http2Violation : std::uint8_t {
  none,
  // Too much of what is allowed: GOAWAY ENHANCE_YOUR_CALM.
  max_resets,
  idle_frames,
  window_updates,
  continuations,
  // Of the protocol: GOAWAY with its error code.
  max_concurrent_streams,
  preface,
  protocol,
  flow_control,
  frame_size,
  compression,
  closed_stream,
  // Of one request, which is reset.
  header_list,
  too_many_exchanges,
  count_,
};
std::string_view name_of(Http2Violation violation) noexcept;

}  // namespace sluice::metrics
