#include "gateway/proxy/sticky.h"

#include <algorithm>
#include <charconv>

#include "gateway/http/cookies.h"

namespace sluice::proxy {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

// Takes the part before the next dot off.
std::string_view next_part(std::string_view& text) {
  const std::string_view part = text.substr(0, text.find('.'));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

std::optional<StickyCookie::Time> parse_expiry(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return StickyCookie::Time(seconds(value));
}

// What the seal is of.
std::string sealed_text(std::string_view code, std::string_view expiry) {
  return "sticky\n" + std::string(code) + "\n" + std::string(expiry);
}

}  // namespace

StickyCookie::StickyCookie(const tls::CookieKey& key, const config::Upstream& upstream) : key_(key), settings_(*upstream.sticky) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::vector<std::string>& codes = codes_.emplace_back();
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      codes.push_back(key.seal("endpoint\n" + upstream.name + "\n" + endpoint.url, i));
    }
  }
}

std::optional<StickyCookie::Found> StickyCookie::find(const http::Headers& request, Time now) const {
  const std::optional<std::string_view> cookie = http::find_cookie(request, settings_.cookie);
  if (!cookie) return std::nullopt;
  std::string_view rest = *cookie;
  const std::string_view code = next_part(rest);
  for (std::size_t key = 0; key < codes_.size(); ++key) {
    const auto known = std::find(codes_[key].begin(), codes_[key].end(), code);
    if (known == codes_[key].end()) continue;
    const std::string_view expiry_text = next_part(rest);
    // The seal is looked at first: no value that is not ours is read as a time.
    if (!key_.sealed(sealed_text(code, expiry_text), rest, key)) return std::nullopt;
    const std::optional<Time> expiry = parse_expiry(expiry_text);
    if (!expiry || *expiry <= now) return std::nullopt;
    return Found{static_cast<std::size_t>(known - codes_[key].begin()), *expiry - now < settings_.ttl / 2};
  }
  return std::nullopt;
}

void StickyCookie::add(std::size_t endpoint, bool secure, Time now, http::Headers& response) const {
  const auto ttl = std::chrono::ceil<seconds>(settings_.ttl);
  const std::string expiry = std::to_string(duration_cast<seconds>((now + ttl).time_since_epoch()).count());
  const std::string& code = codes_.front()[endpoint];
  std::string cookie = settings_.cookie + "=" + code + "." + expiry + "." + key_.seal(sealed_text(code, expiry));
  cookie.append("; Max-Age=").append(std::to_string(ttl.count())).append("; Path=/; HttpOnly; SameSite=Lax");
  if (secure) cookie.append("; Secure");
  response.add("Set-Cookie", cookie);
}

}  // namespace sluice::proxy
