// What a tunnel has of its backend: the stream that carries it, and what is counted because of it. The stream goes first.
#pragma once

#include "gateway/proxy/http2_link.h"
#include "tls/duplex.h"

namespace sluice::proxy {

struct TunnelBackend {
  upstream::Place place = {};       // of a connection to itself, among those that the endpoint may have
  metrics::GaugeHold open = {};     // of the same
  LinkSeat seat = {};               // on one that is shared
  tls::DuplexPtr stream = {};
};

}  // namespace sluice::proxy
