#include "transport.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace sluice::bench {

namespace {

constexpr size_t kTlsReadBuffer = 64 * 1024;

// Records produced by one call into OpenSSL leave in one send. Shared: the tools have one thread.
std::vector<char> collected;

int bio_write(BIO* bio, const char* data, int size) {
  static_cast<Transport*>(BIO_get_data(bio))->collect(data, static_cast<size_t>(size));
  return size;
}

int bio_read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  auto* transport = static_cast<Transport*>(BIO_get_data(bio));
  ptrdiff_t got = transport->receive(to, static_cast<size_t>(size), 0);
  if (got == Transport::kNothing) BIO_set_retry_read(bio);
  return got < 0 ? -1 : static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

SslContext make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) die("cannot make a TLS context");
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), kTlsReadBuffer);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace

SslContext make_client_context() {
  SslContext context = make_context(TLS_client_method());
  static constexpr unsigned char kAlpn[] = "\x08http/1.1";
  if (SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_256_GCM_SHA384") != 1 ||
      SSL_CTX_set1_groups_list(context.get(), "X25519") != 1 ||
      SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof kAlpn - 1) != 0) {
    die("cannot set up the TLS client");
  }
  return context;
}

SslContext make_server_context(const std::string& certificate, const std::string& key) {
  SslContext context = make_context(TLS_server_method());
  SSL_CTX_set_num_tickets(context.get(), 0);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    die("cannot use the certificate");
  }
  return context;
}

Transport::Transport(Fd fd, SSL_CTX* context, Role role) : fd_(std::move(fd)) {
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  BIO* bio = BIO_new(bio_method());
  if (!ssl_ || bio == nullptr) die("out of memory");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (role == Role::client) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

Transport::~Transport() = default;

void Transport::on_ready(uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_ended_ = true;
}

ptrdiff_t Transport::receive(char* to, size_t size, int flags) {
  if (!readable_) return kNothing;
  ssize_t got = ::recv(fd_.get(), to, size, flags);
  if (got < 0) {
    readable_ = false;
    return errno == EAGAIN || errno == EINTR ? kNothing : kFailed;
  }
  if (got == 0) end_seen_ = true;
  // A short read emptied the socket; what comes later raises a new edge. Only a FIN that shared this edge
  // would not.
  if (static_cast<size_t>(got) < size && !peer_ended_) readable_ = false;
  return got;
}

void Transport::collect(const char* data, size_t size) {
  collected.insert(collected.end(), data, data + size);
}

bool Transport::send_collected() {
  if (collected.empty()) return true;
  bool sent = push(collected.data(), collected.size());
  collected.clear();
  return sent;
}

bool Transport::push(const char* data, size_t size) {
  size_t done = 0;
  if (unsent_.empty()) {
    ssize_t sent = ::send(fd_.get(), data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    done = sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  unsent_.insert(unsent_.end(), data + done, data + size);
  return true;
}

bool Transport::flush() {
  if (unsent_.empty()) return true;
  ssize_t sent = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  if (!unsent_.empty()) return true;
  std::vector<char>().swap(unsent_);
  return !finishing_ || finish();
}

ptrdiff_t Transport::handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  if (!send_collected()) return kFailed;
  if (result == 1) return 1;
  return error == SSL_ERROR_WANT_READ ? kNothing : kFailed;
}

ptrdiff_t Transport::read(char* to, size_t size) {
  return ssl_ ? read_secure(to, size) : receive(to, size, 0);
}

ptrdiff_t Transport::discard(size_t size) { return receive(nullptr, size, MSG_TRUNC); }

ptrdiff_t Transport::read_secure(char* to, size_t size) {
  size_t total = 0;
  int error = SSL_ERROR_NONE;
  ERR_clear_error();
  while (total < size) {
    size_t got = 0;
    int result = SSL_read_ex(ssl_.get(), to + total, size - total, &got);
    if (result != 1) {
      error = SSL_get_error(ssl_.get(), result);
      break;
    }
    total += got;
  }
  if (!send_collected()) return kFailed;
  if (total > 0) return static_cast<ptrdiff_t>(total);
  if (error == SSL_ERROR_WANT_READ) return kNothing;
  return error == SSL_ERROR_ZERO_RETURN || end_seen_ ? 0 : kFailed;
}

bool Transport::write(const char* data, size_t size) {
  if (!ssl_) return push(data, size);
  size_t written = 0;
  ERR_clear_error();
  bool accepted = SSL_write_ex(ssl_.get(), data, size, &written) == 1;
  return send_collected() && accepted;
}

bool Transport::finish() {
  if (ssl_ && !finishing_) {
    SSL_shutdown(ssl_.get());
    if (!send_collected()) return false;
  }
  finishing_ = true;
  return has_unsent() || ::shutdown(fd_.get(), SHUT_WR) == 0;
}

}  // namespace sluice::bench
