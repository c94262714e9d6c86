#include "gateway/admin/admin_answer.h"

#include <openssl/crypto.h>

#include "gateway/http/uri.h"

namespace sluice::admin {
namespace {

// DNS rebinding needs a name: an address or localhost cannot be somebody else's.
bool host_is_ours(std::string_view text) {
  const std::optional<http::Authority> authority = http::parse_authority(text);
  if (!authority) return false;
  std::uint8_t bytes[16];
  bool v6 = false;
  return http::equals_ignore_case(authority->host, "localhost") || config::parse_ip(std::string(authority->host), bytes, v6);
}

bool origin_is_ours(const http::RequestHead& request) {
  const std::optional<std::string_view> origin = request.headers.find("Origin");
  if (!origin) return true;
  const std::string expected = "http://" + std::string(request.authority);
  return http::equals_ignore_case(*origin, expected);
}

bool has_token(const http::RequestHead& request, const std::string& token) {
  static constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = request.headers.find("Authorization").value_or("");
  if (value.size() != kScheme.size() + token.size()) return false;
  if (!http::equals_ignore_case(value.substr(0, kScheme.size()), kScheme)) return false;
  return CRYPTO_memcmp(value.data() + kScheme.size(), token.data(), token.size()) == 0;
}

AdminReply plain(unsigned status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body)}; }

}  // namespace

AdminReply answer(const http::RequestHead& request, const config::Admin& settings, const AdminSources& sources) {
  const bool authorized = !settings.token.empty() && has_token(request, settings.token);
  if (!authorized && !host_is_ours(request.authority)) {
    return plain(403, "The Host field names another host; use the address or localhost.\n");
  }
  if (!origin_is_ours(request)) return plain(403, "Requests from other origins are refused.\n");
  if (request.method != "GET" && request.method != "HEAD") return plain(405, "Only GET and HEAD are served here.\n");
  if (request.path == "/healthz") {
    std::string problem = sources.unhealthy();
    return problem.empty() ? plain(200, "ok\n") : plain(503, problem + "\n");
  }
  if (request.path == "/readyz") return sources.ready() ? plain(200, "ready\n") : plain(503, "draining\n");
  if (!settings.token.empty() && !authorized) return plain(401, "Send the admin token as `Authorization: Bearer TOKEN`.\n");
  if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", sources.metrics()};
  return plain(404, "Served here: /metrics /healthz /readyz\n");
}

}  // namespace sluice::admin
