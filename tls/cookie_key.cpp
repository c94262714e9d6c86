#include "tls/cookie_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <new>

#include "tls/load_error.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kSealBytes = 16;

std::string bytes_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

CookieKey::CookieKey(const std::vector<std::string>& files) : keys_(std::max<std::size_t>(files.size(), 1)) {
  if (files.empty() && RAND_bytes(keys_[0].data(), static_cast<int>(keys_[0].size())) != 1) {
    throw TlsLoadError("no random bytes can be had");
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string text = "sluice cookies\n" + bytes_of(files[i]);
    const bool digested = EVP_Digest(text.data(), text.size(), keys_[i].data(), nullptr, EVP_sha256(), nullptr) == 1;
    OPENSSL_cleanse(text.data(), text.size());
    if (!digested) throw TlsLoadError("the key of cookies cannot be made");
  }
}

CookieKey::~CookieKey() {
  for (Key& key : keys_) OPENSSL_cleanse(key.data(), key.size());
}

std::string CookieKey::seal(std::string_view text, std::size_t key) const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), keys_[key].data(), static_cast<int>(keys_[key].size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           mac.data(), &size) == nullptr) {
    throw std::bad_alloc();  // the one way in which it fails
  }
  std::string digits;
  digits.reserve(2 * kSealBytes);
  for (std::size_t i = 0; i < kSealBytes; ++i) {
    digits += kHex[mac[i] >> 4];
    digits += kHex[mac[i] & 15];
  }
  return digits;
}

bool CookieKey::sealed(std::string_view text, std::string_view seal, std::size_t key) const {
  const std::string right = this->seal(text, key);
  return right.size() == seal.size() && CRYPTO_memcmp(right.data(), seal.data(), right.size()) == 0;
}

}  // namespace sluice::tls
