// The BIO by which OpenSSL reads and writes a Stream's socket: recv; writes go through the
// stream's own send-now-keep-the-rest, so OpenSSL never sees a full socket.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>

namespace sluice::tls {

class Stream;

struct StreamBio {
  // Gives the stream's SSL its BIO, and watches for what OpenSSL puts up with: KeyUpdates for ever (RFC 8446 4.6.3), clients
  // that ask to renegotiate (RFC 5246 7.4.1.2), which it declines each time, and overlong ClientHellos. They end the stream.
  static void attach(Stream& stream);
  static int read(Stream& stream, char* data, std::size_t size, std::size_t* done, bool& would_block);
  static int write(Stream& stream, const char* data, std::size_t size, std::size_t* done);
  static void on_message(int sent, int version, int type, const void* data, std::size_t size, SSL* ssl, void* stream);
  static bool at_end(const Stream& stream) noexcept;
};

}  // namespace sluice::tls
