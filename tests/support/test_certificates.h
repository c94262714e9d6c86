// Certificates made on the spot for tests: any names, dates, key types and issuers, also wrong ones.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/listener_config.h"
#include "tls/openssl_handles.h"

namespace sluice::test {

enum class KeyType { ecdsa_p256, rsa_2048, rsa_1024, ecdsa_secp256k1, dsa };

struct CertificateSpec {
  std::string common_name = "test";
  std::vector<std::string> alternative_names;  // "DNS:a.example", "IP:127.0.0.1"; empty: no extension
  KeyType key_type = KeyType::ecdsa_p256;
  bool ca = false;
  int valid_from_days = -1;  // relative to now
  int valid_to_days = 30;
  std::string extended_key_usage;  // empty: no extension
  bool key_identifiers = true;     // subject and authority key identifier
  const EVP_MD* digest = EVP_sha256();
};

struct IssuedCertificate {
  tls::CertificatePtr certificate;
  tls::PrivateKeyPtr key;

  std::string certificate_pem() const;
  std::string key_pem() const;
  std::string encrypted_key_pem(const std::string& passphrase) const;              // PKCS#8
  std::string traditional_encrypted_key_pem(const std::string& passphrase) const;  // Proc-Type: 4,ENCRYPTED
};

// Signed by `issuer`, or by itself.
IssuedCertificate issue(const CertificateSpec& spec, const IssuedCertificate* issuer = nullptr);
IssuedCertificate issue_ca(const std::string& name, const IssuedCertificate* issuer = nullptr);

// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const;
  // NAME.pem with `issued` and then `chain_pem`, and NAME.key.
  config::Certificate write_pair(const std::string& name, const IssuedCertificate& issued,
                                 const std::string& chain_pem = {}) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace sluice::test
