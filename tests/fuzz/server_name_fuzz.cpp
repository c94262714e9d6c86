// Which certificate a server name gets: an exact name before a wildcard of one label, without regard to case
// or a dot at the end, one certificate per type of key, the first that has the name. Held against a look at
// every certificate.
#include <algorithm>
#include <string>
#include <vector>

#include "gateway/http/characters.h"
#include "tests/fuzz/check.h"
#include "tls/certificate_store.h"
#include "tls/self_signed.h"

namespace {

using namespace sluice;
using tls::CertificateStore;
using tls::LoadedCertificate;

tls::PrivateKeyPtr shared_key(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return tls::PrivateKeyPtr(key);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), http::to_lower);
  return text;
}

// What dns_names() lets through.
bool is_servable(const std::string& name) {
  const std::size_t star = name.find('*');
  if (name.empty() || name != lower(name) || name.ends_with('.')) return false;
  return star == std::string::npos || (star == 0 && name.size() > 2 && name[1] == '.' && name[2] != '.' &&
                                       name.find('*', 1) == std::string::npos);
}

CertificateStore::Selection with_name(const std::vector<LoadedCertificate>& certificates,
                                      const std::string& name) {
  CertificateStore::Selection selection;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const auto& names = certificates[i].names;
    const bool has_name = std::find(names.begin(), names.end(), name) != names.end();
    const bool taken = std::any_of(selection.begin(), selection.end(), [&](std::size_t other) {
      return certificates[other].key_type() == certificates[i].key_type();
    });
    if (has_name && !taken) selection.push_back(i);
  }
  return selection;
}

CertificateStore::Selection expected(const std::vector<LoadedCertificate>& certificates, std::string name) {
  if (name.ends_with('.')) name.pop_back();
  name = lower(name);
  if (name.empty() || name.size() > 255) return {};
  const CertificateStore::Selection exact = with_name(certificates, name);
  const std::size_t dot = name.find('.');
  if (!exact.empty() || dot == std::string::npos || dot == 0) return exact;
  return with_name(certificates, "*" + name.substr(dot));
}

}  // namespace

// `e` or `d` begins a certificate (of that type of key), `n` gives it a name, `?` asks for one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LoadedCertificate ecdsa = tls::make_self_signed();
  static const tls::PrivateKeyPtr ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  std::vector<LoadedCertificate> certificates;
  std::vector<std::string> asked;
  fuzz::for_each_line(fuzz::as_text(data, size), [&](std::string_view line) {
    const std::string value(line.substr(std::min<std::size_t>(1, line.size())));
    if ((line == "e" || line == "d") && certificates.size() < 10) {
      LoadedCertificate& made = certificates.emplace_back();
      made.source = "file";
      made.key = shared_key(line == "e" ? ecdsa.key.get() : ed25519.get());
    } else if (line.starts_with('n') && !certificates.empty() && is_servable(value)) {
      certificates.back().names.push_back(value);
    } else if (line.starts_with('?')) {
      asked.push_back(value);
    }
  });
  if (certificates.empty()) return 0;
  std::vector<std::string> warnings;
  const CertificateStore store(std::move(certificates), warnings);
  for (const std::string& name : asked) {
    // Memory of its own: a read behind the name is seen.
    const std::vector<char> bytes(name.begin(), name.end());
    const CertificateStore::Selection* found = store.find({bytes.data(), bytes.size()});
    FUZZ_CHECK((found == nullptr ? CertificateStore::Selection{} : *found) ==
               expected(store.certificates(), name));
  }
  FUZZ_CHECK(!store.default_selection().empty() && store.default_selection().front() == 0);
  return 0;
}
