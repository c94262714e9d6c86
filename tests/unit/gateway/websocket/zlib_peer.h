// The other side of permessage-deflate, written out apart from the code under test.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "gateway/websocket/deflate_codec.h"

namespace sluice::websocket {

// A peer's compressor.
class PeerDeflater {
 public:
  explicit PeerDeflater(int bits, int level = 6) { EXPECT_EQ(deflateInit2(&stream_, level, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK); }
  ~PeerDeflater() { deflateEnd(&stream_); }
  PeerDeflater(const PeerDeflater&) = delete;
  PeerDeflater& operator=(const PeerDeflater&) = delete;
  std::string message(std::string data, int flush = Z_SYNC_FLUSH) {
    std::string out(deflateBound(&stream_, data.size()) + 64, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(data.data());
    stream_.avail_in = static_cast<uInt>(data.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    ::deflate(&stream_, flush);
    out.resize(out.size() - stream_.avail_out);
    if (flush == Z_SYNC_FLUSH && out.ends_with(kDeflateTail)) out.resize(out.size() - kDeflateTail.size());
    return out;
  }

 private:
  z_stream stream_{};
};

// A peer's decompressor; it never has room for more than `step` bytes, so that only its window tells what was before.
class PeerInflater {
 public:
  explicit PeerInflater(int bits) { EXPECT_EQ(inflateInit2(&stream_, -bits), Z_OK); }
  ~PeerInflater() { inflateEnd(&stream_); }
  PeerInflater(const PeerInflater&) = delete;
  PeerInflater& operator=(const PeerInflater&) = delete;
  std::string message(std::string data, std::size_t step = 16384) {
    data += kDeflateTail;
    std::string out, room(step, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(data.data());
    stream_.avail_in = static_cast<uInt>(data.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = static_cast<uInt>(room.size());
      const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
      if (result != Z_OK && result != Z_BUF_ERROR) return "broken: " + std::to_string(result);
      out.append(room, 0, room.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
    return stream_.avail_in == 0 ? out : "not all taken";
  }

 private:
  z_stream stream_{};
};

}  // namespace sluice::websocket
