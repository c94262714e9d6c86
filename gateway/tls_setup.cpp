#include "gateway/tls_setup.h"

#include <algorithm>

#include "config/load.h"
#include "tls/load_error.h"
#include "tls/pem_file.h"

namespace sluice {
namespace {

bool uses_https(const config::Upstream& upstream) {
  return std::any_of(upstream.endpoints.begin(), upstream.endpoints.end(),
                     [](const config::Endpoint& endpoint) { return endpoint.https; });
}

std::shared_ptr<tls::TicketKeys> read_ticket_keys(const std::vector<std::string>& files,
                                                  std::vector<std::string>& warnings) {
  if (files.empty()) return std::make_shared<tls::TicketKeys>();
  std::vector<tls::TicketKeys::Key> keys;
  tls::LoadFaults faults;
  const auto add = [&](const std::string& file) {
    const tls::TicketKeys::Key key = tls::TicketKeys::read(file, warnings);
    const bool known =
        std::any_of(keys.begin(), keys.end(), [&](const auto& other) { return other.name == key.name; });
    if (known)
      throw tls::TlsLoadError(file + " holds a key that stands before it already; expected each key once");
    keys.push_back(key);
  };
  for (std::size_t i = 0; i < files.size(); ++i) {
    faults.attempt("[" + std::to_string(i) + "]", [&] { add(files[i]); });
  }
  faults.throw_if_any();
  return std::make_shared<tls::TicketKeys>(std::move(keys));
}

ListenerTlsSetup load(const config::Listener& listener, const std::string& path, tls::LoadFaults& faults,
                      std::vector<std::string>& warnings) {
  ListenerTlsSetup setup;
  if (!listener.tls) return setup;
  const config::ListenerTls& tls = *listener.tls;
  setup.certificates = faults.attempt(path, [&] { return tls::CertificateStore::load(tls, warnings); });
  setup.ticket_keys =
      faults.attempt(path + ".ticket_keys", [&] { return read_ticket_keys(tls.ticket_keys, warnings); });
  if (tls.client_auth.mode != config::ClientAuthMode::off) {
    setup.clients = faults.attempt(path + ".client_auth.ca",
                                   [&] { return tls::TrustStore::load(tls.client_auth.ca, warnings); });
  }
  return setup;
}

// Files are read although no endpoint is https: a wrong one is told before it matters.
UpstreamTlsSetup load(const config::Upstream& upstream, const std::string& path, tls::LoadFaults& faults,
                      std::vector<std::string>& warnings) {
  UpstreamTlsSetup setup;
  if (uses_https(upstream) || !upstream.tls.ca.empty()) {
    setup.trust = faults.attempt(path + ".ca", [&] { return tls::TrustStore::load(upstream.tls, warnings); });
  }
  if (!upstream.tls.certificate.empty()) {
    setup.shown = faults.attempt(path, [&] {
      const config::Certificate files{upstream.tls.certificate, upstream.tls.private_key};
      return std::make_shared<const tls::LoadedCertificate>(
          tls::load_certificate(files, warnings, tls::CertificateUse::client));
    });
  }
  return setup;
}

// Appends the setup of each section, and tries whether contexts can be made of it.
template <typename Section, typename Setup>
void load_section(const char* name, const std::vector<Section>& sections, std::vector<Setup>& setups,
                  tls::LoadFaults& faults, std::vector<std::string>& warnings) {
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const std::string path = std::string(name) + "[" + std::to_string(i) + "].tls";
    const std::size_t before = faults.faults().size();
    setups.push_back(load(sections[i], path, faults, warnings));
    if (faults.faults().size() == before)
      faults.attempt(path, [&] { make_context(sections[i], setups.back()); });
  }
}

}  // namespace

std::unique_ptr<tls::ServerContext> make_context(const config::Listener& listener,
                                                 const ListenerTlsSetup& setup) {
  if (!listener.tls) return nullptr;
  return std::make_unique<tls::ServerContext>(*listener.tls, listener.protocols, setup.certificates,
                                              setup.ticket_keys, setup.clients.get());
}

std::shared_ptr<const tls::ClientContext> make_context(const config::Upstream& upstream,
                                                       const UpstreamTlsSetup& setup) {
  if (!setup.trust) return nullptr;
  return std::make_shared<const tls::ClientContext>(upstream.tls, *setup.trust, setup.shown.get());
}

TlsSetup load_tls(const config::Config& config, std::vector<std::string>& warnings) {
  TlsSetup setup;
  tls::LoadFaults faults;
  load_section("listeners", config.listeners, setup.listeners, faults, warnings);
  load_section("upstreams", config.upstreams, setup.upstreams, faults, warnings);
  std::vector<config::Problem> problems;
  for (const tls::LoadFault& fault : faults.faults())
    problems.push_back(config::problem_at(config, fault.key, fault.what));
  if (!problems.empty()) throw config::ConfigError(std::move(problems));
  return setup;
}

}  // namespace sluice
