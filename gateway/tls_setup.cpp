#include "gateway/tls_setup.h"

#include <algorithm>

#include "config/load.h"
#include "tls/fingerprint.h"
#include "tls/load_error.h"
#include "tls/pem_file.h"

namespace sluice {
namespace {

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

// The index of the one of that name; the size when there is none.
template <typename Section>
std::size_t index_of(const std::vector<Section>& sections, const std::string& name) {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const Section& one) { return one.name == name; });
  return static_cast<std::size_t>(found - sections.begin());
}

std::string fingerprint_of(const config::ListenerTls& tls) {
  tls::Fingerprint fingerprint;
  for (const config::Certificate& files : tls.certificates) {
    fingerprint.add_file(files.certificate);
    fingerprint.add_file(files.private_key);
    fingerprint.add_file(files.ocsp);
  }
  for (const std::string& file : tls.ticket_keys) fingerprint.add_file(file);
  fingerprint.add_file(tls.client_auth.ca);
  return fingerprint.text();
}

std::string fingerprint_of(const config::UpstreamTls& tls) {
  tls::Fingerprint fingerprint;
  for (const std::string& file : {tls.ca, tls.certificate, tls.private_key}) fingerprint.add_file(file);
  return fingerprint.text();
}

ListenerTlsSetup load(const config::Listener& listener, const std::string& path, tls::LoadFaults& faults,
                      std::vector<std::string>& warnings) {
  ListenerTlsSetup setup;
  if (!listener.tls) return setup;
  const config::ListenerTls& tls = *listener.tls;
  setup.fingerprint = fingerprint_of(tls);
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
  setup.fingerprint = fingerprint_of(upstream.tls);
  if (upstream.uses_https() || !upstream.tls.ca.empty()) {
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

UnchangedTls keep_unchanged(const config::Config& running, const TlsSetup& running_setup, const config::Config& next,
                            TlsSetup& next_setup, const std::vector<std::optional<std::size_t>>& kept) {
  UnchangedTls unchanged;
  for (std::size_t i = 0; i < next.listeners.size(); ++i) {
    const config::Listener& is = next.listeners[i];
    ListenerTlsSetup& setup = next_setup.listeners[i];
    unchanged.listeners.push_back(false);
    if (!kept[i] || !is.tls || !running.listeners[*kept[i]].tls) continue;
    const config::Listener& was = running.listeners[*kept[i]];
    const ListenerTlsSetup& before = running_setup.listeners[*kept[i]];
    if (*is.tls == *was.tls && is.protocols == was.protocols && setup.fingerprint == before.fingerprint) {
      setup = before;
      unchanged.listeners.back() = true;
      continue;
    }
    if (is.tls->ticket_keys.empty() && was.tls->ticket_keys.empty()) setup.ticket_keys = before.ticket_keys;
    if (is.tls->self_signed && was.tls->self_signed) setup.certificates = before.certificates;
  }
  for (std::size_t i = 0; i < next.upstreams.size(); ++i) {
    const std::size_t j = index_of(running.upstreams, next.upstreams[i].name);
    unchanged.upstreams.push_back(j < running.upstreams.size() && next.upstreams[i].tls == running.upstreams[j].tls &&
                                  next_setup.upstreams[i].fingerprint == running_setup.upstreams[j].fingerprint);
  }
  return unchanged;
}

std::vector<metrics::CertificateExpiry> certificate_expiries(const config::Config& config, const TlsSetup& setup) {
  std::vector<metrics::CertificateExpiry> expiries;
  for (std::size_t i = 0; i < setup.listeners.size(); ++i) {
    if (!setup.listeners[i].certificates) continue;
    for (const tls::LoadedCertificate& one : setup.listeners[i].certificates->certificates()) {
      expiries.push_back({config.listeners[i].name, one.source, tls::expiry_of(one), one.staple ? one.staple->valid_until : 0});
    }
  }
  return expiries;
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
