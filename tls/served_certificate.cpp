#include "tls/served_certificate.h"

#include <algorithm>

#include "tls/server_context.h"

namespace sluice::tls {

ServedCertificate::ServedCertificate(const SSL& session) : store_(ServerContext::certificates_of(session)) {
  const X509* const leaf = SSL_get_certificate(&session);
  for (const LoadedCertificate& certificate : store_->certificates()) {
    if (certificate.leaf.get() == leaf) served_ = &certificate;
  }
}

bool ServedCertificate::is_wrong_for(std::string_view host) const {
  return served_ != nullptr && store_->find(host) != nullptr && !covers(*served_, host);
}

}  // namespace sluice::tls
