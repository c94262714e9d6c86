// The secret behind cookies that the gateway gives out, so that nobody else can make one. Made at start and kept over reloads; from
// the bytes of files that gateways side by side share, or by chance, which holds until the process ends. Immutable: any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tls {

class CookieKey {
 public:
  // One for each file, from its bytes, wherever it is: the first seals, what any of them has sealed is known, so that the files of gateways
  // side by side can be rotated one gateway after the other. No file: one by chance. A file that cannot be read counts as
  // empty: whoever loads it tells. May throw TlsLoadError when the system has no random bytes.
  explicit CookieKey(const std::vector<std::string>& files);
  ~CookieKey();
  CookieKey(const CookieKey&) = delete;
  CookieKey& operator=(const CookieKey&) = delete;

  // 32 hexadecimal digits that belong to the text (128 bits of HMAC-SHA256): they tell nothing of it.
  std::string seal(std::string_view text, std::size_t key = 0) const;
  // Whether that is the text's seal by that key; it takes as long whichever digit is wrong.
  bool sealed(std::string_view text, std::string_view seal, std::size_t key = 0) const;
  std::size_t size() const noexcept { return keys_.size(); }  // of keys, at least one

 private:
  using Key = std::array<unsigned char, 32>;
  std::vector<Key> keys_;
};

}  // namespace sluice::tls
