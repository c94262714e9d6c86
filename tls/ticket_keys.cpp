#include "tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "tls/load_error.h"
#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kFileSize = 80;  // name, cipher key, MAC key

}  // namespace

TicketKeys::Key::~Key() {
  OPENSSL_cleanse(cipher_key.data(), cipher_key.size());
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
}

TicketKeys::TicketKeys(std::chrono::seconds rotate_after, Now now)
    : rotate_after_(rotate_after), now_(std::move(now)), made_at_(now_()) {
  const std::optional<Key> key = random_key();
  if (!key) throw TlsLoadError("cannot make a session ticket key: " + take_openssl_error_text());
  keys_ = {*key};
}

TicketKeys::TicketKeys(std::vector<Key> keys) : keys_(std::move(keys)) {
  assert(!keys_.empty() && "tickets must be sealed with something");
}

TicketKeys::Key TicketKeys::read(const std::string& path, std::vector<std::string>& warnings) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
  struct stat status {};
  if (!file || ::fstat(::fileno(file.get()), &status) != 0) {
    throw TlsLoadError("cannot read " + path + ": " + std::strerror(errno) +
                       "; expected a file that the gateway's user may read");
  }
  // Whoever has a key can read the sessions that it sealed, and pass for their clients.
  if ((status.st_mode & S_IRWXO) != 0) {
    warnings.push_back("the ticket key " + path +
                       " is open to every user of this machine; expected no rights for others (chmod o= FILE)");
  }
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // stdio's own buffer would keep a copy
  std::array<unsigned char, kFileSize + 1> bytes{};
  const std::size_t size = std::fread(bytes.data(), 1, bytes.size(), file.get());
  Key key;
  const auto name_end = bytes.begin() + key.name.size();
  const auto cipher_key_end = name_end + key.cipher_key.size();
  std::copy(bytes.begin(), name_end, key.name.begin());
  std::copy(name_end, cipher_key_end, key.cipher_key.begin());
  std::copy(cipher_key_end, bytes.begin() + kFileSize, key.mac_key.begin());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (size != kFileSize) {
    throw TlsLoadError(path + " holds " + (size > kFileSize ? "more than 80" : std::to_string(size)) +
                       " bytes; expected 80 random ones, as `openssl rand -out FILE 80` writes them");
  }
  return key;
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
  if (!rotate_after_) return;
  const auto now = now_();
  const auto age = now - made_at_;
  if (age < *rotate_after_) return;
  std::optional<Key> key = random_key();
  if (!key) return;  // better an old key than no handshake; the next one tries again
  // After two periods without a handshake the last key is as old as a discarded one.
  keys_.resize(age < 2 * *rotate_after_ ? 1 : 0);
  keys_.insert(keys_.begin(), *key);
  made_at_ = now;
}

TicketKeys::Key TicketKeys::current() {
  const std::lock_guard lock(mutex_);
  rotate_when_due();
  return keys_.front();
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name) {
  const auto named = [name](const Key& key) { return std::equal(key.name.begin(), key.name.end(), name); };
  const std::lock_guard lock(mutex_);
  rotate_when_due();
  const auto found = std::find_if(keys_.begin(), keys_.end(), named);
  if (found == keys_.end()) return std::nullopt;
  return Found{*found, found == keys_.begin()};
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
