#include "config/files.h"

#include <algorithm>

namespace sluice::config {

std::vector<std::string> files_of(const Config& config) {
  std::vector<std::string> files;
  for (const Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    for (const Certificate& one : listener.tls->certificates) files.insert(files.end(), {one.certificate, one.private_key, one.ocsp});
    files.insert(files.end(), listener.tls->ticket_keys.begin(), listener.tls->ticket_keys.end());
    files.push_back(listener.tls->client_auth.ca);
  }
  for (const Upstream& upstream : config.upstreams) {
    files.insert(files.end(), {upstream.tls.ca, upstream.tls.certificate, upstream.tls.private_key});
  }
  for (const Route& route : config.routes) {
    for (const auto& [status, page] : route.error_pages) files.push_back(page.file);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::erase(files, "");
  return files;
}

}  // namespace sluice::config
