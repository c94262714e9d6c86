"""What is promised from the first connection on."""

import os
import signal
from pathlib import Path

import pytest

from support import freeze
from support.config_text import config_for
from support.waiting import wait_until

# Every look into the hosts file takes a second. A leak checker cannot work beside a tracer.
SLOW_NAMES = ["strace", "-D", "-f", "-o", "/dev/null", "-P", "/etc/hosts", "-e", "trace=openat",
              "-e", "inject=openat:delay_enter=1000000"]
TRACED = {"ASAN_OPTIONS": "detect_leaks=0"}


def test_names_are_known_before_the_first_request_is_read(lab):
    """A client that connects as soon as the port is there waits for the names; it gets no 503."""
    backend = lab.backend()
    config = config_for(f"http://localhost:{backend.port}", workers=1)
    del config["admin"]
    gateway = lab.start(config=config, wrapper=SLOW_NAMES, env=TRACED)
    port, = wait_until(lambda: freeze.listening_ports(gateway.pid), gateway.report)
    gateway.ports["web"], gateway.hosts["web"] = port, "127.0.0.1"
    assert "listening" not in gateway.stderr(), "the start was to take longer"
    assert lab.request(gateway, timeout=10).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests do not run as root")
def test_root_without_need_is_warned_of(lab):
    gateway = lab.gateway(lab.backend())
    assert "runs as root, which no address here needs" in gateway.stderr()


def blocked_signals(status):
    mask = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigBlk:"))
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


def test_signals_are_for_the_first_thread_alone(lab):
    """One that another thread takes while it begins may be lost."""
    backend = lab.backend()
    upstreams = [{"name": "app", "endpoints": [f"http://localhost:{backend.port}"], "health_check": {"kind": "tcp"}},
                 {"name": "found", "endpoints": [{"dns": f"localhost:{backend.port}"}]}]
    gateway = lab.gateway(backend, upstreams=upstreams)
    ours = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
    threads = Path(f"/proc/{gateway.pid}/task")

    def names():
        return {(task / "comm").read_text().strip() for task in threads.iterdir()}

    wait_until(lambda: {"worker-0", "health", "discovery"} <= names(), "each thread to give itself its name")
    for task in threads.iterdir():
        blocked = blocked_signals(task / "status") & ours
        assert blocked == (set() if task.name == str(gateway.pid) else ours), (task / "comm").read_text()
