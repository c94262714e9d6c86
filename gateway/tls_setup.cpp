#include "gateway/tls_setup.h"

#include <algorithm>

#include "gateway/server.h"
#include "tls/load_error.h"
#include "tls/pem_file.h"

namespace sluice {
namespace {

// Whatever `load` gives; what it throws gets the path of the key in front.
template <typename Load>
auto at(const std::string& path, Load load) {
  try {
    return load();
  } catch (const tls::TlsLoadError& error) {
    throw tls::TlsLoadError(path + ": " + error.what());
  }
}

bool uses_https(const config::Upstream& upstream) {
  return std::any_of(upstream.endpoints.begin(), upstream.endpoints.end(),
                     [](const config::Endpoint& endpoint) { return endpoint.https; });
}

template <typename Sections>
void check_section(const char* name, const Sections& sections, std::vector<std::string>& problems,
                   std::vector<std::string>& warnings) {
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const std::string path = path_of(name, i);
    try {
      const auto setup = load_tls(sections[i], path, warnings);
      at(path + ".tls", [&] { return make_context(sections[i], setup); });
    } catch (const tls::TlsLoadError& error) {
      problems.push_back(error.what());
    }
  }
}

std::shared_ptr<tls::TicketKeys> read_ticket_keys(const std::vector<std::string>& files,
                                                  const std::string& path) {
  if (files.empty()) return std::make_shared<tls::TicketKeys>();
  std::vector<tls::TicketKeys::Key> keys;
  for (std::size_t i = 0; i < files.size(); ++i) {
    at(path + "[" + std::to_string(i) + "]", [&] {
      const tls::TicketKeys::Key key = tls::TicketKeys::read(files[i]);
      const bool known =
          std::any_of(keys.begin(), keys.end(), [&](const auto& other) { return other.name == key.name; });
      if (known)
        throw tls::TlsLoadError(files[i] +
                                " holds a key that stands before it already; expected each key once");
      keys.push_back(key);
    });
  }
  return std::make_shared<tls::TicketKeys>(std::move(keys));
}

}  // namespace

std::string path_of(const char* section, std::size_t index) {
  return std::string(section) + "[" + std::to_string(index) + "]";
}

ListenerTlsSetup load_tls(const config::Listener& listener, const std::string& path,
                          std::vector<std::string>& warnings) {
  ListenerTlsSetup setup;
  if (!listener.tls) return setup;
  const config::ListenerTls& tls = *listener.tls;
  setup.certificates = at(path + ".tls", [&] { return tls::CertificateStore::load(tls, warnings); });
  setup.ticket_keys = read_ticket_keys(tls.ticket_keys, path + ".tls.ticket_keys");
  if (tls.client_auth.mode != config::ClientAuthMode::off) {
    setup.clients =
        at(path + ".tls.client_auth.ca", [&] { return tls::TrustStore::load(tls.client_auth.ca, warnings); });
  }
  return setup;
}

UpstreamTlsSetup load_tls(const config::Upstream& upstream, const std::string& path,
                          std::vector<std::string>& warnings) {
  UpstreamTlsSetup setup;
  if (!uses_https(upstream)) return setup;
  setup.trust = at(path + ".tls.ca", [&] { return tls::TrustStore::load(upstream.tls, warnings); });
  if (upstream.tls.certificate.empty()) return setup;
  const config::Certificate files{upstream.tls.certificate, upstream.tls.private_key};
  at(path + ".tls.private_key",
     [&] { tls::read_private_key(files.private_key); });  // for the path of its key alone
  setup.shown = at(path + ".tls.certificate", [&] {
    return std::make_shared<const tls::LoadedCertificate>(
        tls::load_certificate(files, warnings, tls::CertificateUse::client));
  });
  return setup;
}

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

std::vector<std::string> check_tls(const config::Config& config, std::vector<std::string>& warnings) {
  std::vector<std::string> problems;
  check_section("listeners", config.listeners, problems, warnings);
  check_section("upstreams", config.upstreams, problems, warnings);
  return problems;
}

}  // namespace sluice
