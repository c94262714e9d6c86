"""What the kernel holds for the TCP sockets of the machine, whoever has them: for tests that run alone. From some 1.5 GiB on
(tcp_mem; a sixteenth of the memory) it drops segments of everybody."""

import os
from pathlib import Path


def sockets_memory_mib():
    tcp = next(line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    return int(tcp.split()[-1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
