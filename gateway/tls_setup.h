// What TLS needs from files, loaded once by the control thread and shared by all workers; immutable but for
// the ticket keys.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "metrics/certificate_metrics.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sluice {

// Of one listener; empty for a plain one.
struct ListenerTlsSetup {
  std::shared_ptr<const tls::CertificateStore> certificates;
  std::shared_ptr<tls::TicketKeys> ticket_keys;
  std::shared_ptr<const tls::TrustStore> clients;  // null: clients are not asked for certificates
  std::string fingerprint;                         // of the files, read before they were loaded
};

// Of one upstream; empty without https endpoints, but for the files that it names.
struct UpstreamTlsSetup {
  std::shared_ptr<const tls::TrustStore> trust;
  std::shared_ptr<const tls::LoadedCertificate>
      shown;  // null: nothing is shown to backends that ask for a certificate
  std::string fingerprint;
};

// In the order of the configuration.
struct TlsSetup {
  std::vector<ListenerTlsSetup> listeners;
  std::vector<UpstreamTlsSetup> upstreams;
};

// Throws config::ConfigError with everything that is wrong; appends to `warnings`. Opens no socket.
TlsSetup load_tls(const config::Config& config, std::vector<std::string>& warnings);
// Which of the next configuration's listeners and upstreams have the same TLS as the running one that they go on from: their
// contexts can go on. (A context that is replaced lives for as long as a tunnel that was opened with it.)
struct UnchangedTls {
  std::vector<bool> listeners, upstreams;
};
// Takes over from the running setup what is the same, and what was made by chance at start: ticket keys, self-signed certificates.
// `kept`: for each of the next listeners the running one, see kept_listeners(); upstreams go by name.
UnchangedTls keep_unchanged(const config::Config& running, const TlsSetup& running_setup, const config::Config& next,
                            TlsSetup& next_setup, const std::vector<std::optional<std::size_t>>& kept);
// Of all listeners.
std::vector<metrics::CertificateExpiry> certificate_expiries(const config::Config& config, const TlsSetup& setup);
// For one worker; null: plain. Throw TlsLoadError when memory is out; what is wrong with the files was found by load_tls().
std::unique_ptr<tls::ServerContext> make_context(const config::Listener& listener,
                                                 const ListenerTlsSetup& setup);
std::shared_ptr<const tls::ClientContext> make_context(const config::Upstream& upstream,
                                                       const UpstreamTlsSetup& setup);

}  // namespace sluice
