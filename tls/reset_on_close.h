// A connection that ends by a reset when its socket is closed (SO_LINGER of 0). What waits to be sent is thrown away at once, where the
// kernel would otherwise go on offering it for minutes; and no TIME_WAIT keeps the port for another one.
#pragma once

namespace sluice::tls {

void reset_on_close(int socket) noexcept;

}  // namespace sluice::tls
