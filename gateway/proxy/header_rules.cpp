#include "gateway/proxy/header_rules.h"

#include "gateway/http/characters.h"
#include "gateway/http/uri.h"

namespace sluice::proxy {
namespace {

// The authority without its port, brackets kept: what a redirect to another scheme needs.
std::string_view host_of(std::string_view authority) {
  const std::optional<http::Authority> parts = http::parse_authority(authority);
  if (!parts) return {};
  return authority.substr(0, parts->host.size() + (parts->ipv6_literal ? 2 : 0));
}

std::string_view value_of(config::Variable variable, const TemplateValues& values) {
  const ClientExchange& exchange = values.exchange;
  switch (variable) {
    case config::Variable::client_ip: return exchange.record.client_ip;
    case config::Variable::host: return host_of(values.origin.host);
    case config::Variable::path: return values.path;
    case config::Variable::query: return exchange.request.query;
    case config::Variable::request_id: return exchange.record.request_id;
    case config::Variable::method: return exchange.request.method;
    case config::Variable::scheme: return values.origin.scheme;
    case config::Variable::tls_sni: return exchange.connection.sni;
    case config::Variable::tls_client_subject: return exchange.connection.client_subject;
    case config::Variable::route: return values.route;
  }
  return {};
}

}  // namespace

std::string expand(const config::Template& text, const TemplateValues& values) {
  std::string out;
  for (const config::TemplatePart& part : text) {
    out.append(part.variable ? value_of(*part.variable, values) : std::string_view(part.text));
  }
  return http::all_of(http::kFieldValue, out) ? out : std::string();
}

void apply(const config::HeaderOperations& operations, const TemplateValues& values, http::Headers& headers) {
  for (const std::string& name : operations.remove) headers.remove(name);
  for (const config::HeaderTemplate& field : operations.set) headers.set(field.name, expand(field.value, values));
  for (const config::HeaderTemplate& field : operations.add) headers.add(field.name, expand(field.value, values));
}

}  // namespace sluice::proxy
