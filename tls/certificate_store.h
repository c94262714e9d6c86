// The certificates of a listener and the choice among them by server name (SNI). Immutable once made: one
// store is shared by all workers, any thread may read it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/listener_config.h"
#include "tls/load_certificate.h"

namespace sluice::tls {

// Whether it is for this name, as find() understands names.
bool covers(const LoadedCertificate& certificate, std::string_view server_name);

class CertificateStore {
 public:
  // What one name is served with: indices into certificates(), at most one per key type, so that RSA and
  // ECDSA stand side by side and the client's abilities decide.
  using Selection = std::vector<std::size_t>;

  // Loads everything `tls` names. Throws TlsLoadError; appends to `warnings`.
  static std::shared_ptr<const CertificateStore> load(const config::ListenerTls& tls,
                                                      std::vector<std::string>& warnings);

  // `certificates` is not empty; the first is the default.
  CertificateStore(std::vector<LoadedCertificate> certificates, std::vector<std::string>& warnings);

  const std::vector<LoadedCertificate>& certificates() const { return certificates_; }

  // An exact name before a wildcard, which covers one label. Case and a trailing dot do not matter. Null: no
  // certificate is for this name.
  const Selection* find(std::string_view server_name) const;

  // For clients that send no server name or an unknown one: the first certificate, and those of other key
  // types for the same name.
  const Selection& default_selection() const { return default_; }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Index = std::unordered_map<std::string, Selection, TextHash, std::equal_to<>>;

  bool add(Index& index, std::string_view name, std::size_t certificate);
  void index_names(std::vector<std::string>& warnings);

  std::vector<LoadedCertificate> certificates_;
  Index exact_;
  Index wildcard_;  // by what follows "*."
  Selection default_;
};

}  // namespace sluice::tls
