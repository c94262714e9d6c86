#include "tls/stream_bio.h"

#include <openssl/bio.h>
#include <sys/uio.h>

#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

Stream& stream_of(BIO* bio) { return *static_cast<Stream*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* data, std::size_t size, std::size_t* done) {
  BIO_clear_retry_flags(bio);
  bool would_block = false;
  const int ok = StreamBio::read(stream_of(bio), data, size, done, would_block);
  if (would_block) BIO_set_retry_read(bio);
  return ok;
}

int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* done) {
  BIO_clear_retry_flags(bio);
  return StreamBio::write(stream_of(bio), data, size, done);
}

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return StreamBio::at_end(stream_of(bio)) ? 1 : 0;  // tells truncation from "no bytes yet"
    default: return 0;
  }
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice stream");
  BIO_meth_set_read_ex(method, bio_read);
  BIO_meth_set_write_ex(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

}  // namespace

void StreamBio::attach(Stream& stream) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, &stream);
  BIO_set_init(bio, 1);
  SSL_set_bio(stream.ssl_.get(), bio, bio);
}

int StreamBio::read(Stream& stream, char* data, std::size_t size, std::size_t* done, bool& would_block) {
  const ReadResult result = stream.receive(data, size);
  *done = result.size;
  would_block = result.error == StreamError::would_block;
  if (result.error && !would_block && result.error != StreamError::eof) stream.error_ = result.error;
  return result.size > 0 ? 1 : (would_block ? -1 : 0);
}

int StreamBio::write(Stream& stream, const char* data, std::size_t size, std::size_t* done) {
  *done = size;
  if (stream.corked_) {
    stream.io_.records.append(data, size);
    return 1;
  }
  const iovec part{const_cast<char*>(data), size};
  return stream.transmit(&part, 1) ? 0 : 1;
}

bool StreamBio::at_end(const Stream& stream) noexcept { return stream.socket_eof_; }

}  // namespace sluice::tls
