// Files of certificates, keys and ticket keys: each is loaded or refused with a reason, and what was loaded
// can serve. The bytes of a certificate may come without the armour of PEM, which chance alone would never
// get right.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/check.h"
#include "tls/certificate_store.h"
#include "tls/load_certificate.h"
#include "tls/pem_file.h"
#include "tls/ticket_keys.h"
#include "tls/trust_store.h"

namespace {

using namespace sluice;

// A file in memory.
class File {
 public:
  explicit File(std::string_view content) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    FUZZ_CHECK(descriptor_ >= 0);
    FUZZ_CHECK(::write(descriptor_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    FUZZ_CHECK(::fchmod(descriptor_, 0600) == 0);
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

std::string in_armour(std::string_view label, std::string_view der) {
  std::string base64(der.size() / 3 * 4 + 5, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                      reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
  base64.resize(static_cast<std::size_t>(length));
  std::string pem = "-----BEGIN " + std::string(label) + "-----\n";
  for (std::size_t at = 0; at < base64.size(); at += 64) pem += base64.substr(at, 64) + "\n";
  return pem + "-----END " + std::string(label) + "-----\n";
}

template <typename Load>
bool loads(Load load) {
  ERR_clear_error();
  try {
    load();
  } catch (const tls::TlsLoadError& error) {
    FUZZ_CHECK(error.what()[0] != '\0');
    FUZZ_CHECK(ERR_peek_error() == 0);  // what stays in the queue is somebody else's error later
    return false;
  }
  FUZZ_CHECK(ERR_peek_error() == 0);
  return true;
}

void check_names(const tls::LoadedCertificate& loaded) {
  for (const std::string& name : loaded.names) {
    FUZZ_CHECK(!name.empty() && name.find('\0') == std::string::npos);
    FUZZ_CHECK(std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
    const std::size_t star = name.rfind('*');
    FUZZ_CHECK(star == std::string::npos || (star == 0 && name.size() > 2 && name[1] == '.'));
  }
}

void check_certificate(const std::string& path, const std::string& key_path, tls::CertificateUse use) {
  tls::LoadedCertificate loaded;
  std::vector<std::string> warnings;
  if (!loads([&] { loaded = tls::load_certificate({path, key_path}, warnings, use); })) return;
  FUZZ_CHECK(loaded.leaf && loaded.chain && loaded.key);
  FUZZ_CHECK(X509_check_private_key(loaded.leaf.get(), loaded.key.get()) == 1);
  check_names(loaded);
  if (use != tls::CertificateUse::server) return;
  const std::vector<std::string> names = loaded.names;
  std::vector<tls::LoadedCertificate> all;
  all.push_back(std::move(loaded));
  const tls::CertificateStore store(std::move(all), warnings);
  for (const std::string& name : names) {
    if (name.size() > 255) continue;
    FUZZ_CHECK(name[0] == '*' || store.find(name) != nullptr);
  }
}

void check_ticket_key(const std::string& path, std::size_t size) {
  tls::TicketKeys::Key key;
  std::vector<std::string> warnings;
  if (!loads([&] { key = tls::TicketKeys::read(path, warnings); })) {
    FUZZ_CHECK(size != 80);
    return;
  }
  FUZZ_CHECK(size == 80);
}

void check_each_certificate(const std::string& path) {
  tls::CertificateStackPtr certificates;
  if (!loads([&] { certificates = tls::read_certificates(path); })) return;
  FUZZ_CHECK(sk_X509_num(certificates.get()) > 0);
  std::vector<std::string> warnings;
  for (int i = 0; i < sk_X509_num(certificates.get()); ++i) {
    const X509* certificate = sk_X509_value(certificates.get(), i);
    tls::LoadedCertificate loaded;
    loaded.names = tls::dns_names(certificate, "file", warnings);
    check_names(loaded);
    tls::subject_text(certificate);
    tls::validity_problem(certificate);
  }
}

}  // namespace

// The first byte chooses how the rest comes into the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::as_text(data + 1, size - 1);
  std::string content(text);
  if (data[0] == 'C') content = in_armour("CERTIFICATE", text);
  if (data[0] == 'K') content = in_armour("PRIVATE KEY", text);
  const File file(content);
  check_each_certificate(file.path());
  loads([&] { FUZZ_CHECK(tls::read_private_key(file.path()) != nullptr); });
  check_certificate(file.path(), file.path(), tls::CertificateUse::server);
  check_certificate(file.path(), file.path(), tls::CertificateUse::client);
  std::vector<std::string> warnings;
  loads([&] { FUZZ_CHECK(tls::TrustStore::load(file.path(), warnings)->certificates() != nullptr); });
  check_ticket_key(file.path(), content.size());
  return 0;
}
