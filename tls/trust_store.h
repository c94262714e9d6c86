// The CAs that certificates of upstreams or of clients are verified against: a PEM file, or the system's. Loaded once
// and shared by the contexts of all workers (OpenSSL locks it inside; it is read when a certificate is verified).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/upstream_config.h"
#include "tls/load_error.h"
#include "tls/openssl_handles.h"

namespace sluice::tls {

class TrustStore {
 public:
  // Throws TlsLoadError; appends to `warnings` (expired CA, no system trust store).
  static std::shared_ptr<const TrustStore> load(const config::UpstreamTls& tls,
                                                std::vector<std::string>& warnings);
  // The CAs of `file`, for clients.
  static std::shared_ptr<const TrustStore> load(const std::string& file, std::vector<std::string>& warnings);

  // For SSL_CTX_set1_cert_store, whose parameter is not const although it only adds a reference.
  X509_STORE* get() const { return store_.get(); }
  // Those of the file; null when they are the system's.
  STACK_OF(X509) * certificates() const { return certificates_.get(); }

 private:
  TrustStore();
  void add_file(const std::string& path, std::vector<std::string>& warnings);
  void add_system(std::vector<std::string>& warnings);

  TrustStorePtr store_;
  CertificateStackPtr certificates_;
};

}  // namespace sluice::tls
