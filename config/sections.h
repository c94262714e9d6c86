// The key table of each section of the file; config_table() is the root that holds all others.
#pragma once

#include "config/config.h"
#include "config/key_table.h"
#include "config/syntax.h"

namespace sluice::config {

const Table<Config>& config_table();
const Table<Listener>& listener_table();
// For one that does not say which protocols it speaks: h2 before http/1.1, where TLS lets clients choose.
void choose_protocols(Listener& listener);
const Table<Limits>& limits_table();
const Table<Timeouts>& timeouts_table();
const Table<Upstream>& upstream_table();
const Table<Resolver>& resolver_table();
Key<Upstream> endpoints_key();
const Table<Route>& route_table();
const Table<Rewrite>& rewrite_table();
const Table<WebSocketRules>& websocket_table();
const Table<Admin>& admin_table();
const Table<AccessLog>& access_log_table();
const Table<Log>& log_table();

Key<Route> error_pages_key();

// `filters` of a route: known by name, refused as a whole for now.
KeyInfo filters_info();

// The name of a listener, upstream or route.
template <class T>
Key<T> name_key() {
  return required(parsed("name", &T::name, parse_name, "a name"));
}

}  // namespace sluice::config
