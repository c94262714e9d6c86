#include "tls/fingerprint.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <memory>

namespace sluice::tls {
namespace {

// More than any file that the loaders take.
constexpr std::size_t kMostLookedAt = 16 << 20;

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

void Fingerprint::add_file(const std::string& path) {
  if (path.empty()) return;
  text_ += path + '\n';
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
  const std::unique_ptr<EVP_MD_CTX, Close> digest(EVP_MD_CTX_new());
  if (!file || !digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) return;
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // stdio's own buffer would keep a copy of a key
  std::array<char, 16 * 1024> block;
  std::size_t seen = 0;
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), file.get())) {
    EVP_DigestUpdate(digest.get(), block.data(), got);
    if ((seen += got) > kMostLookedAt) break;
  }
  OPENSSL_cleanse(block.data(), block.size());
  std::array<unsigned char, EVP_MAX_MD_SIZE> value;
  unsigned size = 0;
  EVP_DigestFinal_ex(digest.get(), value.data(), &size);
  text_.append(reinterpret_cast<const char*>(value.data()), size);
}

}  // namespace sluice::tls
