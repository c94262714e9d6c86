#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "buffer.h"

namespace sluice::bench {

// The server's side of one HTTP/2 connection (RFC 9113), as cheap as can be: each request that is complete gets the same answer, whatever
// its fields say, so they are not unpacked. What a proxy does not send (CONTINUATION) is not understood. Windows of streams are
// taken to have room for an answer; that of the connection is kept.
class Http2Answers {
 public:
  // `body`: that of each answer, one frame at most. It must stay.
  explicit Http2Answers(std::string_view body);

  // Behind the first 18 bytes of the preface, those that look like the head of a request. Answers what is complete into `out` and returns how
  // many bytes that were; sets `broken` when they are not understood.
  size_t answer(std::string_view data, Buffer& out, bool& broken);

 private:
  size_t rest_of_preface(std::string_view data, Buffer& out, bool& broken);
  bool take(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload, Buffer& out);
  void respond(uint32_t stream, Buffer& out);
  void respond_waiting(Buffer& out);

  std::string_view body_;
  std::string fields_;           // packed
  bool begun_ = false;
  int64_t window_ = 65'535;
  std::deque<uint32_t> waiting_;  // streams, for the window
};

}  // namespace sluice::bench
