#include "tls/stream_bio.h"

#include <openssl/bio.h>
#include <sys/uio.h>

#include <algorithm>

#include "tls/stream.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

// Without application data between them. Peers send one after gigabytes.
constexpr unsigned kMaxKeyUpdates = 32;

Stream& stream_of(BIO* bio) { return *static_cast<Stream*>(BIO_get_data(bio)); }

// Once and for all: SSL_is_init_finished() is false again while a renegotiation is asked for.
bool handshake_was_done(const SSL* ssl) { return SSL_get_peer_finished(ssl, nullptr, 0) > 0; }

// OpenSSL would take 128 KiB of memory for a hello that only says it will be so long, before it declines. (TLS 1.3 has
// no renegotiation, and is "not finished" as well while a KeyUpdate comes in pieces.)
bool is_renegotiating(const SSL* ssl) {
  return !SSL_is_init_finished(ssl) && SSL_version(ssl) < TLS1_3_VERSION && handshake_was_done(ssl);
}

// A HelloRetryRequest is a ServerHello with a random value of its own (RFC 8446 4.1.3).
bool is_retry_request(std::string_view message) {
  constexpr std::string_view kRandom =
      "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07"
      "\x9E\x09\xE2\xC8\xA8\x33\x9C";
  constexpr std::size_t kRandomAt = 6;  // behind the message's header and the version
  return message.size() >= kRandomAt + kRandom.size() && message.front() == SSL3_MT_SERVER_HELLO &&
         message.substr(kRandomAt, kRandom.size()) == kRandom;
}

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
  SSL_set_msg_callback(stream.ssl_.get(), on_message);
  SSL_set_msg_callback_arg(stream.ssl_.get(), &stream);
}

void StreamBio::on_message(int sent, int, int type, const void* data, std::size_t size, SSL* ssl,
                           void* stream) {
  if (type != SSL3_RT_HANDSHAKE || size == 0) return;
  Stream& receiver = *static_cast<Stream*>(stream);
  const int message = *static_cast<const unsigned char*>(data);
  if (sent != 0) {
    if (is_retry_request({static_cast<const char*>(data), size})) receiver.hellos_.retry_asked();
  } else if (message == SSL3_MT_KEY_UPDATE && ++receiver.key_updates_ > kMaxKeyUpdates) {
    receiver.tls_violated(receiver.io_.metrics.tls_key_updates);
  } else if (message == SSL3_MT_CLIENT_HELLO && handshake_was_done(ssl)) {
    receiver.tls_violated(receiver.io_.metrics.tls_renegotiation);
  }
}

int StreamBio::read(Stream& stream, char* data, std::size_t size, std::size_t* done, bool& would_block) {
  *done = 0;
  if (stream.error_) return 0;
  if (is_renegotiating(stream.ssl_.get())) {
    stream.tls_violated(stream.io_.metrics.tls_renegotiation);
    return 0;
  }
  // OpenSSL loops inside one call while records come that are not data: the others must have their turn.
  if (stream.raw_budget_ == 0 && SSL_is_init_finished(stream.ssl_.get())) {
    stream.turn_over_ = would_block = true;
    return -1;
  }
  const ReadResult result = stream.receive(data, size);
  if (SSL_is_server(stream.ssl_.get()) && !SSL_is_init_finished(stream.ssl_.get())) {
    stream.hellos_.see({data, result.size});
    if (stream.hellos_.too_long()) stream.error_ = StreamError::tls_failed;
    if (stream.error_) return 0;
  }
  stream.raw_budget_ -= std::min(stream.raw_budget_, result.size);
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
  iovec part{const_cast<char*>(data), size};
  return stream.transmit(&part, 1) ? 0 : 1;
}

bool StreamBio::at_end(const Stream& stream) noexcept { return stream.socket_eof_; }

}  // namespace sluice::tls
