#include "tls/trust_store.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>

#include "tls/load_certificate.h"
#include "tls/openssl_error.h"
#include "tls/pem_file.h"

namespace sluice::tls {
namespace {

// The place OpenSSL looks at: the variable's value, or what it was built with.
std::filesystem::path place(const char* variable, const char* built_in) {
  const char* value = std::getenv(variable);
  return value ? value : built_in;
}

bool system_store_exists() {
  std::error_code ignored;
  if (std::filesystem::exists(place(X509_get_default_cert_file_env(), X509_get_default_cert_file()),
                              ignored)) {
    return true;
  }
  const auto folder = place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  return std::filesystem::is_directory(folder, ignored) && !std::filesystem::is_empty(folder, ignored);
}

}  // namespace

TrustStore::TrustStore() : store_(X509_STORE_new()) {
  if (!store_) throw TlsLoadError("cannot make a trust store: " + take_openssl_error_text());
}

std::shared_ptr<const TrustStore> TrustStore::load(const config::UpstreamTls& tls,
                                                   std::vector<std::string>& warnings) {
  std::shared_ptr<TrustStore> made(new TrustStore);
  if (!tls.ca.empty()) {
    made->add_file(tls.ca, warnings);
  } else if (tls.verify) {
    made->add_system(warnings);
  }
  return made;
}

std::shared_ptr<const TrustStore> TrustStore::load(const std::string& file, std::vector<std::string>& warnings) {
  std::shared_ptr<TrustStore> made(new TrustStore);
  made->add_file(file, warnings);
  return made;
}

void TrustStore::add_file(const std::string& path, std::vector<std::string>& warnings) {
  certificates_ = read_certificates(path);
  for (int i = 0; i < sk_X509_num(certificates_.get()); ++i) {
    X509* certificate = sk_X509_value(certificates_.get(), i);
    if (X509_STORE_add_cert(store_.get(), certificate) != 1) {
      throw TlsLoadError("certificate " + std::to_string(i + 1) + " in " + path +
                         " cannot be trusted: " + take_openssl_error_text());
    }
    // OpenSSL reads the extensions when they are first asked for: now, before threads share the certificate.
    X509_check_purpose(certificate, -1, 0);
    const std::string problem = validity_problem(certificate);
    if (!problem.empty())
      warnings.push_back(path + ": the CA " + subject_text(certificate) + " is " + problem);
  }
  ERR_clear_error();  // of extensions that cannot be read: whoever verifies will say so
  // Whoever names a file trusts what is in it, also an intermediate CA or the peer's own certificate.
  X509_STORE_set_flags(store_.get(), X509_V_FLAG_PARTIAL_CHAIN);
}

void TrustStore::add_system(std::vector<std::string>& warnings) {
  if (X509_STORE_set_default_paths(store_.get()) != 1) {
    throw TlsLoadError("cannot open the system's trust store: " + take_openssl_error_text() + "; set tls.ca");
  }
  ERR_clear_error();  // a missing default file is not an error when the folder is there
  if (!system_store_exists()) {
    warnings.push_back(
        "the system has no trust store, so no upstream certificate will verify; install ca-certificates or "
        "set "
        "tls.ca");
  }
}

}  // namespace sluice::tls
