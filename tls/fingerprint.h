// Tells whether files are still the same: a digest of their bytes (SHA-256), one after the other. One thread.
#pragma once

#include <string>

namespace sluice::tls {

class Fingerprint {
 public:
  // One that cannot be read counts as such; an empty name is no file. Of one over 16 MiB the beginning is looked at.
  void add_file(const std::string& path);
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace sluice::tls
