#include "tls/cookie_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "tls/fingerprint.h"
#include "tls/load_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kSealBytes = 16;

}  // namespace

CookieKey::CookieKey(const std::vector<std::string>& files) {
  if (files.empty()) {
    if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) throw TlsLoadError("no random bytes can be had");
    return;
  }
  Fingerprint fingerprint;
  for (const std::string& file : files) fingerprint.add_file(file);
  const std::string text = "sluice cookies\n" + fingerprint.text();
  EVP_Digest(text.data(), text.size(), key_.data(), nullptr, EVP_sha256(), nullptr);
}

CookieKey::~CookieKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

std::string CookieKey::seal(std::string_view text) const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       mac.data(), &size);
  std::string digits;
  digits.reserve(2 * kSealBytes);
  for (std::size_t i = 0; i < kSealBytes; ++i) {
    digits += kHex[mac[i] >> 4];
    digits += kHex[mac[i] & 15];
  }
  return digits;
}

}  // namespace sluice::tls
