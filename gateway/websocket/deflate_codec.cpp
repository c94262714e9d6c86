#include "gateway/websocket/deflate_codec.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <new>

namespace sluice::websocket {
namespace {

// The cheapest level: several times as fast as zlib's default for some percent more bytes. The pace is what a gateway is short of.
constexpr int kLevel = 1;
// Of zlib's tables: 16 KiB of them, as suits windows of 4 KiB.
constexpr int kMemoryLevel = 5;
// zlib does not deflate with a window of 256 bytes. With 512 it looks back at most 250 (its MAX_DIST: the window less 262), which is
// what such a receiver has.
constexpr unsigned kSmallestWindowBits = 9;

// In front of each piece of zlib's memory, so that what is given back is known.
struct alignas(std::max_align_t) PieceSize {
  std::size_t bytes;
};

void* allocate(void* gauge, unsigned count, unsigned size) {
  const std::size_t bytes = sizeof(PieceSize) + std::size_t{count} * size;
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) return Z_NULL;
  static_cast<metrics::Gauge*>(gauge)->add(static_cast<std::int64_t>(bytes));
  return new (memory) PieceSize{bytes} + 1;
}

void release(void* gauge, void* memory) {
  PieceSize* const piece = static_cast<PieceSize*>(memory) - 1;
  static_cast<metrics::Gauge*>(gauge)->add(-static_cast<std::int64_t>(piece->bytes));
  ::operator delete(piece);
}

ZlibStream make_stream(metrics::Gauge& memory, bool inflates) {
  auto* const made = static_cast<z_stream*>(allocate(&memory, 1, sizeof(z_stream)));
  if (made == nullptr) throw std::bad_alloc();
  *made = {};
  made->zalloc = allocate;
  made->zfree = release;
  made->opaque = &memory;
  return ZlibStream(made, ZlibEnd{inflates});
}

int negative(unsigned window_bits) noexcept { return -static_cast<int>(std::max(window_bits, kSmallestWindowBits)); }  // no header

void give(z_stream& stream, std::string_view in, char* to, std::size_t room) noexcept {
  stream.next_in = reinterpret_cast<const Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(to);
  stream.avail_out = static_cast<uInt>(room);
}

}  // namespace

void ZlibEnd::operator()(z_stream_s* stream) const noexcept {
  inflates ? inflateEnd(stream) : deflateEnd(stream);
  release(stream->opaque, stream);
}

Inflater::Inflater(unsigned window_bits, metrics::Gauge& memory) : stream_(make_stream(memory, true)) {
  if (inflateInit2(stream_.get(), negative(window_bits)) != Z_OK) throw std::bad_alloc();
}

Inflater::Step Inflater::inflate(std::string_view& in, char* to, std::size_t room) noexcept {
  if (in.empty() && at_final_) return {};
  begun_ = begun_ || !in.empty();
  give(*stream_, in, to, room);
  int result = Z_OK;
  do {
    at_final_ = false;
    result = ::inflate(stream_.get(), Z_SYNC_FLUSH);
    if (result == Z_STREAM_END) {  // a final block ends no message (RFC 7692 7.2.3.4), and the window stays
      at_final_ = true;
      inflateResetKeep(stream_.get());
    }
  } while (result == Z_STREAM_END && stream_->avail_in > 0);
  in.remove_prefix(in.size() - stream_->avail_in);
  return {room - stream_->avail_out, result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR};
}

Inflater::Step Inflater::end_message(char* to, std::size_t room) noexcept {
  // Without a single byte: what zlib makes of an empty message that follows another, whose tail it has written already.
  const bool has_tail = begun_ && !at_final_;
  begun_ = at_final_ = false;
  if (!has_tail) return {};
  std::string_view tail = kDeflateTail;
  Step step = inflate(tail, to, room);
  begun_ = at_final_ = false;
  // Bits 0-5: how many of the last byte are not used; bit 7: a block has just ended.
  constexpr int kBits = 0x3F, kBlockEnded = 0x80;
  step.broken = step.broken || !tail.empty() || step.written == room || (stream_->data_type & (kBlockEnded | kBits)) != kBlockEnded;
  return step;
}

Deflater::Deflater(unsigned window_bits, metrics::Gauge& memory) : stream_(make_stream(memory, false)) {
  const int result = deflateInit2(stream_.get(), kLevel, Z_DEFLATED, negative(window_bits), kMemoryLevel, Z_DEFAULT_STRATEGY);
  if (result != Z_OK) throw std::bad_alloc();
}

std::size_t Deflater::deflate(std::string_view& in, char* to, std::size_t room, Flush flush) noexcept {
  give(*stream_, in, to, room);
  if (!in.empty()) ::deflate(stream_.get(), Z_NO_FLUSH);
  in.remove_prefix(in.size() - stream_->avail_in);
  if (flush == Flush::none || !in.empty()) return room - stream_->avail_out;
  ::deflate(stream_.get(), Z_SYNC_FLUSH);
  assert(stream_->avail_out > 0);  // kMostHeldBack fits
  std::size_t written = room - stream_->avail_out;
  if (flush == Flush::all) return written;
  if (written == 0) {  // the tail left with the flush before: an empty block takes its place (RFC 7692 7.2.3.6)
    *to = 0;
    return 1;
  }
  assert(written >= kDeflateTail.size());
  return written - kDeflateTail.size();
}

}  // namespace sluice::websocket
