// What every socket of TCP has, to clients and to backends; a listening one hands it to those that it accepts.
#pragma once

namespace sluice::tls {

// No waiting for more to send (TCP_NODELAY), and what vanished_peers.h and unsent_limit.h say.
void set_tcp_options(int descriptor) noexcept;

}  // namespace sluice::tls
