#include "gateway/proxy/hash_key.h"

#include "gateway/http/cookies.h"
#include "gateway/http/query.h"
#include "upstream/balancing/stable_hash.h"

namespace sluice::proxy {
namespace {

std::optional<std::uint64_t> hash_of(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return upstream::stable_hash(*text);
}

std::optional<std::uint64_t> hash_of_parameter(std::string_view query, std::string_view name) {
  std::optional<std::uint64_t> hash;
  http::any_parameter(query, [&](std::string_view found, std::string_view value) {
    if (found == name) hash = upstream::stable_hash(value);
    return hash.has_value();
  });
  return hash;
}

}  // namespace

std::optional<std::uint64_t> hash_key(const config::HashOn& on, const ClientExchange& exchange, const RouteContext& route) {
  const http::RequestHead& request = exchange.request;
  switch (on.source) {
    case config::HashOn::Source::client_ip: return hash_of(route.origin.client_ip);
    case config::HashOn::Source::path: return hash_of(route.path);
    case config::HashOn::Source::header: return hash_of(request.headers.find(on.name));
    case config::HashOn::Source::cookie: return hash_of(http::find_cookie(request.headers, on.name));
    case config::HashOn::Source::query: return hash_of_parameter(request.query, on.name);
  }
  return std::nullopt;
}

}  // namespace sluice::proxy
