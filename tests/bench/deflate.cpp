#include "deflate.h"

#include <cstdio>
#include <cstdlib>

namespace sluice::bench {

namespace {

constexpr int kLevel = 1;
constexpr int kMemoryLevel = 5;
constexpr int kWindowBits = 12;
constexpr size_t kInflateStep = 4096;
// What a sender leaves out at a message's end (RFC 7692 section 7.2.1).
constexpr std::string_view kTail{"\x00\x00\xFF\xFF", 4};

void require(int result) {
  if (result == Z_OK) return;
  std::fprintf(stderr, "zlib fails: %d\n", result);
  std::exit(1);
}

void give(z_stream& stream, std::string_view in) {
  stream.next_in = reinterpret_cast<const Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
}

void make_room(z_stream& stream, Buffer& out, size_t least) {
  out.ensure_room(least);
  stream.next_out = reinterpret_cast<Bytef*>(out.tail());
  stream.avail_out = static_cast<uInt>(out.room());
}

}  // namespace

// Negative: without zlib's header.
Inflater::Inflater() { require(inflateInit2(&stream_, -kWindowBits)); }

bool Inflater::inflate(std::string_view part, Buffer& out) {
  give(stream_, part);
  do {
    make_room(stream_, out, kInflateStep);
    int result = ::inflate(&stream_, Z_SYNC_FLUSH);
    out.add(out.room() - stream_.avail_out);
    if (result != Z_OK && result != Z_BUF_ERROR) return false;
  } while (stream_.avail_out == 0);
  return stream_.avail_in == 0;
}

bool Inflater::end_message(Buffer& out) { return inflate(kTail, out); }

Deflater::Deflater() {
  require(deflateInit2(&stream_, kLevel, Z_DEFLATED, -kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY));
}

void Deflater::deflate(std::string_view message, Buffer& out) {
  give(stream_, message);
  make_room(stream_, out, deflateBound(&stream_, message.size()) + kTail.size());
  require(::deflate(&stream_, Z_SYNC_FLUSH));
  out.add(out.room() - stream_.avail_out - kTail.size());
}

}  // namespace sluice::bench
