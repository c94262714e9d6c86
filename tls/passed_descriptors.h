// A peer at a unix socket can pass descriptors along with its bytes (SCM_RIGHTS). Nobody here wants them, so that the kernel closes
// them as the bytes are read, on the thread that reads: a connection with SO_LINGER and a stalled peer makes that take as long
// as whoever passed it likes, and a worker stand still for as long.
#pragma once

namespace sluice::tls {

// Whoever passes descriptors to this unix socket, or to those that it accepts, gets EPERM from now on. By Linux 6.16 and later; others
// do not know of it.
void refuse_descriptors(int descriptor) noexcept;

}  // namespace sluice::tls
