"""What an attack does to the gateway and to the others: watched from its beginning to when everything is as before."""

import os
import threading
import time
from pathlib import Path

from support import bystanders as honest
from support.binary import is_sanitized
from support.gateway import cpu_seconds_of
from support.sockets_memory import sockets_memory_mib
from support.waiting import wait_until

UPSTREAM = "sluice_upstream_connections_open"
CALM = 0.7  # seconds of honest load before the attack
SHORTEST = 0.8  # what an attack is watched for at least
# Share of one core that honest load and attackers who do nothing may take; a busy loop takes all of one.
IDLE_SHARE = 0.35
# MiB that the sockets of the machine, those of attackers and backends too, may hold more than before.
SOCKETS_MEMORY = 350


class Siege:
    """`with Siege(...):` around the attack. Leaving it checks the honest load's latency, the resident memory
    (`memory`: MiB more than before at the most), what sockets hold, and that connections, descriptors, tunnels and held
    bytes go back."""

    def __init__(self, gateway, bystanders, memory):
        self.gateway = gateway
        self.memory = memory
        self._bystanders = bystanders
        self._over = threading.Event()
        self._highest = self._sockets_highest = 0.0
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._calm_since = time.monotonic()
        descriptors, connections = 0, 0
        while time.monotonic() < self._calm_since + CALM:
            metrics = self.gateway.metrics()
            descriptors = max(descriptors, self._descriptors_but_upstreams(metrics))
            connections = max(connections, metrics.value("sluice_connections_open"))
            time.sleep(0.02)
        self._descriptors, self._connections = descriptors, connections
        self._before = self.gateway.metrics()
        self._tunnels = self._before.value("sluice_websocket_tunnels_open")
        self._resident = self.gateway.rss_mib()
        self._sockets = sockets_memory_mib()
        self._strangers_before = self._strangers_cpu_seconds()
        self._began = time.monotonic()
        self._watcher.start()
        return self

    def __exit__(self, failed, *_):
        while not failed and time.monotonic() < self._began + SHORTEST:
            time.sleep(0.02)
        ended = time.monotonic()
        self._over.set()
        self._watcher.join()
        if failed:
            return
        before = self._bystanders.between(self._calm_since, self._began - 1e-3)
        during = self._bystanders.between(self._began, ended)
        honest.check_none_failed(during)
        if not is_sanitized():  # else it would be the sanitizers that are measured
            strangers = (self._strangers_cpu_seconds() - self._strangers_before) / (time.monotonic() - self._began)
            honest.check_served_as_before(before, during, max(0, strangers))
            grown = self._highest - self._resident
            assert grown <= self.memory, f"{grown:.1f} MiB more than the {self._resident:.0f} MiB before"
            grown = self._sockets_highest - self._sockets
            assert grown <= SOCKETS_MEMORY, f"{grown:.0f} MiB more in sockets"
        self._check_all_is_as_before()

    def _watch(self):
        while not self._over.wait(0.03):
            self._highest = max(self._highest, self.gateway.rss_mib())
            self._sockets_highest = max(self._sockets_highest, sockets_memory_mib())

    def _strangers_cpu_seconds(self):
        """What processes that have nothing to do with this test have taken, and other machines on the same host."""
        user, nice, system, *_, steal = (int(field) for field in Path("/proc/stat").read_text().split(None, 9)[1:9])
        ours = sum(cpu_seconds_of(pid) for pid in (self.gateway.pid, self._bystanders.pid, os.getpid()))
        return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK") - ours

    def counted(self, name, **labels):
        """By how much a counter has grown since the attack began."""
        return self.gateway.metric(name, **labels) - self._before.value(name, **labels)

    def wait_counted(self, expected, name, timeout=10.0, **labels):
        wait_until(lambda: self.counted(name, **labels) == expected,
                   lambda: f"{name}{labels} to grow by {expected}, not {self.counted(name, **labels)}", timeout)

    def wait_open(self, more, timeout=10.0):
        """Waits until so many client connections are open beyond those of before. The honest ones that come and go may
        have been two more then."""
        wait_until(lambda: self.gateway.metric("sluice_connections_open") >= self._connections - 2 + more,
                   f"{more} connections of the attackers to be open", timeout)

    def check_idle(self, meanwhile=lambda: time.sleep(0.5)):
        """Attackers who do next to nothing cost next to nothing."""
        began, before = time.monotonic(), self.gateway.cpu_seconds()
        meanwhile()
        share = (self.gateway.cpu_seconds() - before) / (time.monotonic() - began)
        assert is_sanitized() or share < IDLE_SHARE, f"{share:.0%} of a core while the attackers do nothing"

    def _descriptors_but_upstreams(self, metrics):
        """Pools to honest backends grow and shrink as they please."""
        return self.gateway.descriptors() - metrics.value(UPSTREAM)

    def _check_all_is_as_before(self):
        def rest():
            metrics = self.gateway.metrics()
            return {name: (now, most) for name, now, most in (
                ("client connections", metrics.value("sluice_connections_open"), self._connections),
                ("tunnels", metrics.value("sluice_websocket_tunnels_open"), self._tunnels),
                ("held bytes", metrics.value("sluice_held_bytes"), 0),
                ("connections to the attacked backend", metrics.value(UPSTREAM, upstream="target"), 0),
                ("descriptors", self._descriptors_but_upstreams(metrics), self._descriptors)) if now > most}

        wait_until(lambda: not rest(), lambda: f"what is left, and should be at most: {rest()}", 12)
