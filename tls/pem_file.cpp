#include "tls/pem_file.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tls/openssl_error.h"

namespace sluice::tls {
namespace {

// A system's whole CA bundle is some 250 KB; more than this is a wrong path, such as a device or a log.
constexpr std::size_t kMaxFileSize = 16 << 20;

// The text of a PEM file, wiped when done since it may hold a private key.
class PemText {
 public:
  explicit PemText(const std::string& path);
  ~PemText() { OPENSSL_cleanse(text_.data(), text_.size()); }
  PemText(const PemText&) = delete;
  PemText& operator=(const PemText&) = delete;

  BioPtr bio() const {
    BioPtr bio(BIO_new_mem_buf(text_.data(), static_cast<int>(text_.size())));
    if (!bio) throw TlsLoadError("out of memory");
    return bio;
  }
  bool contains(const char* needle) const { return text_.find(needle) != std::string::npos; }

 private:
  std::string text_;
};

[[noreturn]] void throw_unreadable(const std::string& path, int error) {
  throw TlsLoadError("cannot read " + path + ": " + std::strerror(error) +
                     "; expected a PEM file that the gateway's user may read");
}

PemText::PemText(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
  if (!file) throw_unreadable(path, errno);
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // stdio's own buffer would keep a copy of the key
  std::size_t used = 0;
  text_.resize(64 * 1024);
  while (const std::size_t got = std::fread(text_.data() + used, 1, text_.size() - used, file.get())) {
    used += got;
    if (used > kMaxFileSize) throw TlsLoadError(path + " is larger than 16 MiB; expected a PEM file");
    if (used < text_.size()) continue;
    std::string larger(text_.size() * 2, '\0');
    std::memcpy(larger.data(), text_.data(), used);
    OPENSSL_cleanse(text_.data(), text_.size());
    text_.swap(larger);
  }
  if (std::ferror(file.get())) throw_unreadable(path, errno);
  text_.resize(used);
}

// Stands in for OpenSSL's default, which would prompt on the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace

CertificateStackPtr read_certificates(const std::string& path) {
  const PemText text(path);
  const BioPtr bio = text.bio();
  CertificateStackPtr certificates(sk_X509_new_null());
  ERR_clear_error();
  bool asked = false;
  while (CertificatePtr certificate{PEM_read_bio_X509(bio.get(), nullptr, refuse_passphrase, &asked)}) {
    if (!certificates || sk_X509_push(certificates.get(), certificate.get()) == 0) {
      throw TlsLoadError("out of memory");
    }
    certificate.release();
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const int count = sk_X509_num(certificates.get());
  if (!at_end) {
    throw TlsLoadError("certificate " + std::to_string(count + 1) + " in " + path + " cannot be parsed: " +
                       take_openssl_error_text() + "; expected PEM as the CA issued it");
  }
  ERR_clear_error();
  if (count == 0) {
    throw TlsLoadError(path + " holds no certificate; expected PEM with BEGIN CERTIFICATE lines");
  }
  return certificates;
}

PrivateKeyPtr read_private_key(const std::string& path) {
  const PemText text(path);
  const BioPtr bio = text.bio();
  bool asked = false;
  ERR_clear_error();
  PrivateKeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, &asked));
  if (key) {
    ERR_clear_error();  // blocks that were tried and skipped leave entries
    return key;
  }
  const std::string reason = take_openssl_error_text();
  if (asked) {
    throw TlsLoadError(
        "the private key " + path +
        " is encrypted, and the gateway never asks for a passphrase; decrypt it with "
        "`openssl pkey -in ENCRYPTED -out PLAIN` into a file that only the gateway's user may read");
  }
  if (!text.contains("PRIVATE KEY-----")) {
    throw TlsLoadError(path + " holds no private key; expected PEM with a BEGIN PRIVATE KEY line");
  }
  throw TlsLoadError("the private key " + path + " cannot be parsed: " + reason +
                     "; expected an unencrypted PEM key");
}

}  // namespace sluice::tls
