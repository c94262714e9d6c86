#include "tls/certificate_store.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "tls/self_signed.h"

namespace sluice::tls {
namespace {

constexpr std::size_t kMaxNameLength = 255;  // RFC 1035, 3.1

bool is_wildcard(std::string_view name) { return name.substr(0, 2) == "*."; }

// A name in lower case and without a trailing dot. Empty when it can be nobody's.
class PlainName {
 public:
  explicit PlainName(std::string_view server_name) {
    if (!server_name.empty() && server_name.back() == '.') server_name.remove_suffix(1);
    if (server_name.size() > kMaxNameLength) return;
    std::transform(server_name.begin(), server_name.end(), lower_.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    size_ = server_name.size();
  }
  std::string_view name() const { return {lower_.data(), size_}; }
  // What a wildcard has behind its "*."; empty: none covers this name.
  std::string_view behind_first_label() const {
    const std::size_t dot = name().find('.');
    return dot == std::string_view::npos || dot == 0 ? std::string_view{} : name().substr(dot + 1);
  }

 private:
  std::array<char, kMaxNameLength> lower_;
  std::size_t size_ = 0;
};

}  // namespace

bool covers(const LoadedCertificate& certificate, std::string_view server_name) {
  const PlainName plain(server_name);
  const std::string_view parent = plain.behind_first_label();
  return std::any_of(certificate.names.begin(), certificate.names.end(), [&](std::string_view name) {
    return is_wildcard(name) ? !parent.empty() && name.substr(2) == parent : name == plain.name();
  });
}

std::shared_ptr<const CertificateStore> CertificateStore::load(const config::ListenerTls& tls,
                                                               std::vector<std::string>& warnings) {
  std::vector<LoadedCertificate> loaded;
  LoadFaults faults;
  for (std::size_t i = 0; i < tls.certificates.size(); ++i) {
    loaded.push_back(faults.attempt("certificates[" + std::to_string(i) + "]",
                                    [&] { return load_certificate(tls.certificates[i], warnings); }));
  }
  faults.throw_if_any();
  if (tls.self_signed) loaded.push_back(make_self_signed());
  if (loaded.empty())
    throw TlsLoadError("no certificate to serve; name one under certificates or set self_signed");
  return std::make_shared<const CertificateStore>(std::move(loaded), warnings);
}

CertificateStore::CertificateStore(std::vector<LoadedCertificate> certificates,
                                   std::vector<std::string>& warnings)
    : certificates_(std::move(certificates)) {
  assert(!certificates_.empty() && "a listener without a certificate cannot complete a handshake");
  index_names(warnings);
  const std::vector<std::string>& names = certificates_.front().names;
  if (names.empty()) {
    default_ = {0};
  } else if (is_wildcard(names.front())) {
    default_ = wildcard_.find(std::string_view(names.front()).substr(2))->second;
  } else {
    default_ = exact_.find(names.front())->second;
  }
}

// False when an earlier certificate of the same key type has the name already.
bool CertificateStore::add(Index& index, std::string_view name, std::size_t certificate) {
  Selection& selection = index[std::string(name)];
  const int key_type = certificates_[certificate].key_type();
  const bool taken = std::any_of(selection.begin(), selection.end(), [&](std::size_t other) {
    return certificates_[other].key_type() == key_type;
  });
  if (!taken) selection.push_back(certificate);
  return !taken;
}

void CertificateStore::index_names(std::vector<std::string>& warnings) {
  for (std::size_t i = 0; i < certificates_.size(); ++i) {
    bool chosen = i == 0;
    for (const std::string& name : certificates_[i].names) {
      const bool added =
          is_wildcard(name) ? add(wildcard_, std::string_view(name).substr(2), i) : add(exact_, name, i);
      chosen = chosen || added;
    }
    if (!chosen) {
      warnings.push_back(
          certificates_[i].source +
          " is never chosen: it has no DNS name that an earlier certificate of its key type lacks");
    }
  }
}

const CertificateStore::Selection* CertificateStore::find(std::string_view server_name) const {
  const PlainName plain(server_name);
  if (const auto found = exact_.find(plain.name()); found != exact_.end()) return &found->second;
  const auto found = wildcard_.find(plain.behind_first_label());
  return found == wildcard_.end() ? nullptr : &found->second;
}

}  // namespace sluice::tls
