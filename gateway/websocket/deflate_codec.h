// Deflates and inflates the messages of one direction (RFC 7692 7.2), piece by piece, into memory of the caller. zlib's memory is
// counted in the route's gauge for as long as it is held. No I/O. One direction of one tunnel owns it, on its worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "metrics/registry.h"

struct z_stream_s;

namespace sluice::websocket {

// What a message's sender leaves out at its end, and its receiver puts back (RFC 7692 7.2.1).
inline constexpr std::string_view kDeflateTail{"\x00\x00\xFF\xFF", 4};

struct ZlibEnd {
  bool inflates = true;
  void operator()(z_stream_s* stream) const noexcept;
};
using ZlibStream = std::unique_ptr<z_stream_s, ZlibEnd>;

// A sender that reaches further back than its window is found out when what it reaches for is gone, which depends on how its bytes
// come: zlib looks at what it still has. What is accepted is what was sent in any case.
class Inflater {
 public:
  // Throws std::bad_alloc.
  Inflater(unsigned window_bits, metrics::Gauge& memory);

  // So much may still come when all of the input was taken but the room was not enough: what zlib holds back is some bits and one
  // match, and then the tail (each bit could be half of a match of 258 bytes).
  static constexpr std::size_t kMostHeldBack = 12 * 1024;

  struct Step {
    std::size_t written = 0;
    bool broken = false;  // this is no deflated data
  };
  // Takes off the front of `in` what it can inflate into `room` bytes at `to`. With room left, all was taken and has come out.
  Step inflate(std::string_view& in, char* to, std::size_t room) noexcept;
  // Ends a message whose bytes were all taken: gives what is still to come of it. Broken: it ends within something.
  Step end_message(char* to, std::size_t room) noexcept;

 private:
  ZlibStream stream_;
  bool begun_ = false;      // the message has had a byte
  bool at_final_ = false;   // its last byte ended a block that calls itself final: it has no tail
};

class Deflater {
 public:
  // Throws std::bad_alloc.
  Deflater(unsigned window_bits, metrics::Gauge& memory);

  // So much may still come out when all of the input was taken: what lies in the window and in zlib's own buffer.
  static constexpr std::size_t kMostHeldBack = 24 * 1024;

  enum class Flush : std::uint8_t {
    none,         // some bytes may stay in here until more come
    all,          // what was given comes out
    end_message,  // and the message ends: without the tail
  };
  // Takes off the front of `in` what fits, deflated, into `room` bytes at `to`; how many that were. It flushes when all was taken,
  // and wants a room of kMostHeldBack then. With room left, all was taken.
  std::size_t deflate(std::string_view& in, char* to, std::size_t room, Flush flush) noexcept;

 private:
  ZlibStream stream_;
};

}  // namespace sluice::websocket
