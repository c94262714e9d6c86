// Which upstream a request goes to, where its route has several, and the cookie by which a client stays with one. The values are made
// when a configuration is taken over, so a request costs no cryptography. Pure functions of their arguments.
#pragma once

#include <random>
#include <string>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"
#include "tls/cookie_key.h"

namespace sluice::proxy {

// Fills in route.cluster and notes it in the record. By weight and by chance: a count would begin anew with every reload.
void choose_upstream(ClientExchange& exchange, std::mt19937_64& random, RouteContext& route);

// One cookie per route, for it may be split otherwise than its neighbour.
std::string split_cookie_name(const config::Route& route);
// Those that keep a client at the side, by all of the gateway's keys: the first is given out.
std::vector<std::string> split_cookie_values(const tls::CookieKey& key, const config::Route& route, const config::SplitSide& side);
// Keeps the client on route.new_cookie's side until its session ends.
void add_split_cookie(const RouteContext& route, http::Headers& headers);

}  // namespace sluice::proxy
