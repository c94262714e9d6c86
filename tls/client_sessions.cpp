#include "tls/client_sessions.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "tls/load_error.h"
#include "tls/openssl_handles.h"

namespace sluice::tls {
namespace {

constexpr std::time_t kNever = std::numeric_limits<std::time_t>::max();

struct Kept {
  SslSessionPtr session;
  Clock::time_point since;
  std::time_t until;
};
using Sessions = std::vector<Kept>;  // with one endpoint, the newest first
using Shared = std::shared_ptr<Sessions>;  // by the store and the endpoint's connections, which may outlive its entry
using Store = std::map<std::string, Shared>;

void free_shared(void*, void* shared, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Shared*>(shared); }
void free_store(void*, void* store, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Store*>(store); }

// Where the context has its Store, a connection the Sessions of its endpoint, and a session the end of its verification.
int store_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_store);
  return index;
}
int sessions_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_shared);
  return index;
}
int verified_until_index() {
  static const int index = SSL_SESSION_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

std::time_t end_of(const X509* certificate) {
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1) return 0;
  return std::time(nullptr) + std::time_t{days} * 86400 + seconds;
}

// A session stands for the certificates that were verified when it was made, so it goes with the first of them that expires. It may
// come over a connection that was resumed itself: then OpenSSL has copied what is noted at the session before.
std::time_t verified_until(SSL* ssl, SSL_SESSION* session) {
  if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) return kNever;
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  if (chain == nullptr) return reinterpret_cast<std::intptr_t>(SSL_SESSION_get_ex_data(session, verified_until_index()));
  std::time_t until = kNever;
  for (int i = 0; i < sk_X509_num(chain); ++i) until = std::min(until, end_of(sk_X509_value(chain, i)));
  SSL_SESSION_set_ex_data(session, verified_until_index(), reinterpret_cast<void*>(std::intptr_t{until}));
  return until;
}

// What the backend says, else OpenSSL's two hours.
std::time_t offered_until(const SSL_SESSION* session) {
  const unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(session);
  const long lifetime = hint != 0 ? static_cast<long>(std::min(hint, 7UL * 86400)) : SSL_SESSION_get_timeout(session);
  return static_cast<std::time_t>(SSL_SESSION_get_time(session)) + lifetime;
}

// Null: its sessions are not kept.
Sessions* sessions_of(SSL* ssl) {
  const auto* shared = static_cast<Shared*>(SSL_get_ex_data(ssl, sessions_index()));
  return shared == nullptr ? nullptr : shared->get();
}

Store& store_of(SSL_CTX* context) { return *static_cast<Store*>(SSL_CTX_get_ex_data(context, store_index())); }

// A session of its own: OpenSSL marks that of a connection as not resumable when the connection ends without close_notify, a rule
// that TLS 1.1 has given up.
SslSessionPtr copy_of(SSL_SESSION* session) { return SslSessionPtr(SSL_SESSION_dup(session)); }

// OpenSSL's callback for a session that may be resumed. 0: it stays the connection's.
int keep(SSL* ssl, SSL_SESSION* session) {
  Sessions* sessions = sessions_of(ssl);
  if (sessions == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  const std::time_t until = std::min(verified_until(ssl, session), offered_until(session));
  SslSessionPtr copy = copy_of(session);
  if (!copy) return 0;
  try {
    sessions->insert(sessions->begin(), Kept{std::move(copy), Clock::now(), until});
  } catch (const std::bad_alloc&) {  // not through OpenSSL; the next connection begins anew
    return 0;
  }
  if (sessions->size() > kMostSessions) sessions->pop_back();
  return 0;
}

}  // namespace

void keep_sessions(SSL_CTX* context) {
  auto store = std::make_unique<Store>();
  if (SSL_CTX_set_ex_data(context, store_index(), store.get()) != 1) throw TlsLoadError("no memory for TLS sessions");
  store.release();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
  SSL_CTX_sess_set_new_cb(context, &keep);
}

void offer_session(SSL* ssl, const std::string& endpoint) {
  Shared& known = store_of(SSL_get_SSL_CTX(ssl))[endpoint];
  if (!known) known = std::make_shared<Sessions>();
  Sessions& sessions = *known;
  auto held = std::make_unique<Shared>(known);
  if (SSL_set_ex_data(ssl, sessions_index(), held.get()) != 1) return;
  held.release();
  const std::time_t now = std::time(nullptr);
  std::erase_if(sessions, [now](const Kept& one) { return one.until <= now; });
  if (sessions.empty()) return;
  SSL_SESSION* newest = sessions.front().session.get();
  const bool once = SSL_SESSION_get_protocol_version(newest) >= TLS1_3_VERSION;
  const SslSessionPtr offered = once ? std::move(sessions.front().session) : copy_of(newest);
  if (once) sessions.erase(sessions.begin());
  if (offered) SSL_set_session(ssl, offered.get());  // which holds it as well
}

void forget_sessions(SSL_CTX* context, const std::string& endpoint) { store_of(context).erase(endpoint); }

bool was_resumed(SSL* ssl) noexcept { return SSL_session_reused(ssl) == 1; }

void drop_refused_sessions(SSL* ssl, Clock::time_point began) {
  Sessions* sessions = sessions_of(ssl);
  if (sessions == nullptr || was_resumed(ssl)) return;
  std::erase_if(*sessions, [began](const Kept& one) { return one.since < began; });
}

}  // namespace sluice::tls
