// What has come on a stream, for the tests of both roles of a connection.
#pragma once

#include <string>

#include "gateway/http2/stream.h"

namespace sluice::http2 {

// All of it; `last` is what ended the reading.
inline std::string read_stream(Stream& stream, ErrorCode& last) {
  std::string all;
  char memory[4096];
  for (;;) {
    const tls::ReadResult got = stream.read_some(memory, sizeof memory);
    last = got.error;
    if (got.error) return all;
    all.append(memory, got.size);
  }
}

}  // namespace sluice::http2
