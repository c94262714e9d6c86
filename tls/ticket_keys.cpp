#include "tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {

TicketKeys::Key::~Key() {
  OPENSSL_cleanse(cipher_key.data(), cipher_key.size());
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
}

TicketKeys::TicketKeys(std::chrono::seconds rotate_after, Now now)
    : rotate_after_(rotate_after), now_(std::move(now)), made_at_(now_()) {
  const std::optional<Key> key = random_key();
  if (!key) throw TlsLoadError("cannot make a session ticket key: " + take_openssl_error_text());
  current_ = *key;
}

std::optional<TicketKeys::Key> TicketKeys::random_key() {
  Key key;
  if (RAND_bytes(key.name.data(), key.name.size()) != 1 ||
      RAND_priv_bytes(key.cipher_key.data(), key.cipher_key.size()) != 1 ||
      RAND_priv_bytes(key.mac_key.data(), key.mac_key.size()) != 1) {
    return std::nullopt;
  }
  return key;
}

// Called with the mutex held.
void TicketKeys::rotate_when_due() {
  const auto now = now_();
  const auto age = now - made_at_;
  if (age < rotate_after_) return;
  std::optional<Key> key = random_key();
  if (!key) return;  // better an old key than no handshake; the next one tries again
  // After two periods without a handshake the last key is as old as a discarded one.
  if (age < 2 * rotate_after_) {
    previous_ = current_;
  } else {
    previous_.reset();
  }
  current_ = *key;
  made_at_ = now;
}

TicketKeys::Key TicketKeys::current() {
  const std::lock_guard lock(mutex_);
  rotate_when_due();
  return current_;
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name) {
  const auto named = [name](const Key& key) { return std::equal(key.name.begin(), key.name.end(), name); };
  const std::lock_guard lock(mutex_);
  rotate_when_due();
  if (named(current_)) return Found{current_, true};
  if (previous_ && named(*previous_)) return Found{*previous_, false};
  return std::nullopt;
}

bool TicketKeys::set_mac_key(EVP_MAC_CTX* mac, Key& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key.data(), key.mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int TicketKeys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  Key key = current();
  const EVP_CIPHER* kind = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1 ||
      EVP_EncryptInit_ex(cipher, kind, nullptr, key.cipher_key.data(), iv) != 1 || !set_mac_key(mac, key)) {
    return -1;
  }
  std::copy(key.name.begin(), key.name.end(), name);
  return 1;
}

int TicketKeys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac) {
  std::optional<Found> found = find(name);
  if (!found) return 0;
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, found->key.cipher_key.data(), iv) != 1 ||
      !set_mac_key(mac, found->key)) {
    return -1;
  }
  return found->current ? 1 : 2;
}

}  // namespace sluice::tls
