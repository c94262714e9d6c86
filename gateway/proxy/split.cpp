#include "gateway/proxy/split.h"

#include <algorithm>

#include "gateway/http/cookies.h"

namespace sluice::proxy {
namespace {

// The side that the client's cookie names. One without weight keeps nobody: that is how a canary is taken back.
const RouteServices::Side* side_of_cookie(const ClientExchange& exchange, const RouteContext& route) {
  const auto cookie = http::find_cookie(exchange.request.headers, split_cookie_name(*route.route));
  if (!cookie) return nullptr;
  for (std::size_t i = 0; i < route.services->sides.size(); ++i) {
    const RouteServices::Side& side = route.services->sides[i];
    const bool known = std::find(side.cookies.begin(), side.cookies.end(), *cookie) != side.cookies.end();
    if (known && route.route->split->to[i].weight > 0) return &side;
  }
  return nullptr;
}

const RouteServices::Side& side_by_chance(const RouteContext& route, std::mt19937_64& random) {
  const std::vector<config::SplitSide>& sides = route.route->split->to;
  std::uint64_t total = 0;
  for (const config::SplitSide& side : sides) total += side.weight;
  std::uint64_t at = random() % total;
  std::size_t index = 0;
  while (at >= sides[index].weight) at -= sides[index++].weight;
  return route.services->sides[index];
}

}  // namespace

void choose_upstream(ClientExchange& exchange, std::mt19937_64& random, RouteContext& route) {
  const RouteServices::Side* side = &route.services->sides.front();
  if (route.route->split) {
    const bool sticky = route.route->split->sticky;
    const RouteServices::Side* kept = sticky ? side_of_cookie(exchange, route) : nullptr;
    side = kept != nullptr ? kept : &side_by_chance(route, random);
    if (sticky && kept == nullptr) route.new_cookie = side->cookies.front();
  }
  route.cluster = side->cluster.get();
  route.sticky = side->sticky.get();
  exchange.record.upstream = route.cluster->settings().name;
}

std::string split_cookie_name(const config::Route& route) { return "sluice_split_" + route.name; }

std::vector<std::string> split_cookie_values(const tls::CookieKey& key, const config::Route& route, const config::SplitSide& side) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < key.size(); ++i) values.push_back(key.seal("split\n" + route.name + "\n" + side.upstream, i));
  return values;
}

void add_split_cookie(const RouteContext& route, http::Headers& headers) {
  std::string cookie = split_cookie_name(*route.route) + "=";
  cookie.append(route.new_cookie).append("; Path=/; HttpOnly; SameSite=Lax");
  if (route.origin.scheme == "https") cookie.append("; Secure");
  headers.add("Set-Cookie", cookie);
}

}  // namespace sluice::proxy
