// What TLS needs from files, loaded once by the control thread and shared by all workers; immutable but for
// the ticket keys. Every error begins with the path of its key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sluice {

// Of one listener; empty for a plain one.
struct ListenerTlsSetup {
  std::shared_ptr<const tls::CertificateStore> certificates;
  std::shared_ptr<tls::TicketKeys> ticket_keys;
  std::shared_ptr<const tls::TrustStore> clients;  // null: clients are not asked for certificates
};

// Of one upstream; empty without https endpoints.
struct UpstreamTlsSetup {
  std::shared_ptr<const tls::TrustStore> trust;
  std::shared_ptr<const tls::LoadedCertificate>
      shown;  // null: nothing is shown to backends that ask for a certificate
};

// All throw TlsLoadError. `path`: the key's, such as listeners[0]; appends to `warnings`.
ListenerTlsSetup load_tls(const config::Listener& listener, const std::string& path,
                          std::vector<std::string>& warnings);
UpstreamTlsSetup load_tls(const config::Upstream& upstream, const std::string& path,
                          std::vector<std::string>& warnings);
// For one worker; null: plain.
std::unique_ptr<tls::ServerContext> make_context(const config::Listener& listener,
                                                 const ListenerTlsSetup& setup);
std::shared_ptr<const tls::ClientContext> make_context(const config::Upstream& upstream,
                                                       const UpstreamTlsSetup& setup);

// `listeners`, 2: listeners[2]
std::string path_of(const char* section, std::size_t index);

}  // namespace sluice
