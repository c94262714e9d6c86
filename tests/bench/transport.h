#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net.h"

namespace sluice::bench {

using SslContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// TLS 1.3 with one suite and one group, no verification, no resumption: every proxy is asked for the same
// work.
SslContext make_client_context();
// Exits with a message when the files cannot be used.
SslContext make_server_context(const std::string& certificate, const std::string& key);

// One non-blocking socket, plain or under TLS. Knows from the poller's edges and from short reads whether the
// socket holds anything, so that it never spends a system call to learn that it does not.
class Transport {
 public:
  enum class Role { client, server };
  static constexpr ptrdiff_t kNothing = -1;
  static constexpr ptrdiff_t kFailed = -2;

  Transport(Fd fd, SSL_CTX* context, Role role);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  int fd() const { return fd_.get(); }
  bool secure() const { return ssl_ != nullptr; }
  void on_ready(uint32_t events);

  // 1 done, kNothing while it waits for the peer, kFailed.
  ptrdiff_t handshake();
  // Bytes read, 0 at the end of the stream, kNothing or kFailed.
  ptrdiff_t read(char* to, size_t size);
  // The same, but throws plain bytes away without copying them.
  ptrdiff_t discard(size_t size);
  // Sends what the socket takes and keeps the rest. False when the connection is broken.
  bool write(const char* data, size_t size);
  bool flush();
  bool has_unsent() const { return !unsent_.empty(); }
  // Ends our direction once everything is sent.
  bool finish();

  // For the BIO.
  ptrdiff_t receive(char* to, size_t size, int flags);
  void collect(const char* data, size_t size);

 private:
  struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  ptrdiff_t read_secure(char* to, size_t size);
  bool send_collected();
  bool push(const char* data, size_t size);

  Fd fd_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  std::vector<char> unsent_;
  bool readable_ = false;
  bool peer_ended_ = false;
  bool end_seen_ = false;
  bool finishing_ = false;
};

}  // namespace sluice::bench
