#pragma once

#define ZLIB_CONST
#include <zlib.h>

#include <string_view>

#include "buffer.h"

namespace sluice::bench {

// permessage-deflate (RFC 7692) as browsers offer it, and the answer that the gateway gives them. The origin
// gives the same one and sets zlib up in the same way (gateway/websocket/deflate_offer.h, deflate_codec.cpp):
// what is compared is the place where messages are compressed, not how well.
constexpr const char* kDeflateOffer = "permessage-deflate; client_max_window_bits";
constexpr const char* kDeflateAnswer = "permessage-deflate; client_max_window_bits=12";

// The messages of one sender, each with what the ones before it left in the window. Each appends to `out`.
class Inflater {
 public:
  Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  // False: this is no deflated data.
  bool inflate(std::string_view part, Buffer& out);
  bool end_message(Buffer& out);

 private:
  z_stream stream_{};
};

class Deflater {
 public:
  Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  ~Deflater() { deflateEnd(&stream_); }

  void deflate(std::string_view message, Buffer& out);

 private:
  z_stream stream_{};
};

}  // namespace sluice::bench
