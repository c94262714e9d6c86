// The certificate that a client of a listener was shown. Used by its worker's thread alone.
#pragma once

#include <memory>
#include <string_view>

#include "tls/certificate_store.h"
#include "tls/ssl_ptr.h"

namespace sluice::tls {

class ServedCertificate {
 public:
  // `session` is one of a ServerContext, whose handshake is done.
  explicit ServedCertificate(const SSL& session);

  // Whether a client that wants `host` should have been shown another one: the listener has one for it, and this one is not.
  bool is_wrong_for(std::string_view host) const;

 private:
  std::shared_ptr<const CertificateStore> store_;
  const LoadedCertificate* served_ = nullptr;  // of the store; null: unknown
};

}  // namespace sluice::tls
