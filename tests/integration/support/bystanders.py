"""The honest clients beside an attack: how long their exchanges take, and that none fails."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from support.waiting import seconds, wait_until

PROGRAM = Path(__file__).with_name("honest_load.py")
STRANGERS_COST = 8  # times the allowances, for each core that strangers take
LONGEST = 0.8  # seconds that the longest exchange may take more than the longest before


@dataclass
class Exchange:
    client: int
    kind: str  # "request" and "echo" on connections that stay, "new" on one of its own, "direct" past the gateway
    began: float
    took: float
    problem: str | None


class Bystanders:
    """Some 200 exchanges a second once visit() has told them where. Also an endpoint (`url`) for a gateway."""

    def __init__(self):
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, str(PROGRAM)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, = json.loads(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{port}"
        self._seen = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def visit(self, gateway, secure=None, new_connections=True):
        """`secure`: the name of a TLS listener, which half of them use."""
        where = {"port": gateway.port, "secure_port": gateway.ports.get(secure), "new_connections": new_connections}
        self._process.stdin.write(json.dumps(where) + "\n")
        self._process.stdin.flush()
        wait_until(lambda: {one.kind for one in self._seen} >= {"request", "echo"}, "the first exchanges", 20)

    def _read(self):
        for line in self._process.stdout:
            self._seen.append(Exchange(*json.loads(line)))

    @property
    def pid(self):
        return self._process.pid

    def between(self, begin, end):
        """The exchanges that were under way in that time, once the last of them is over."""
        def all_over():
            seen = list(self._seen)
            over = {one.client for one in seen if one.began > end or one.problem}
            return over == {one.client for one in seen}

        wait_until(all_over, "the honest clients to get their last answers", 10)
        return [one for one in list(self._seen) if one.began + one.took >= begin and one.began <= end]

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    def check(self):
        """Whoever watches them judges."""


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def slowest(exchanges):
    """The ten that took longest, by when they began: one cause for all of them shows as one moment, or one client."""
    those = sorted(sorted(exchanges, key=lambda one: -one.took)[:10], key=lambda one: one.began)
    return ", ".join(f"{one.kind} of {one.client} at {one.began:.3f} s {one.took * 1e3:.0f} ms" for one in those)


def check_none_failed(exchanges):
    problems = [one for one in exchanges if one.problem]
    assert not problems, f"{len(problems)} of {len(exchanges)} honest exchanges failed, such as {problems[:3]}"


def check_served_as_before(before, during, strangers):
    """Median, 99th percentile and maximum are about where they were, or where those are that go past the gateway: then it
    is the machine. The allowances are for two cores, one of which attackers have; they grow when `strangers`, processes
    that have nothing to do with the test, took that many cores."""
    times = {(phase, direct): [one.took for one in exchanges if (one.kind == "direct") == direct]
             for phase, exchanges in (("before", before), ("during", during)) for direct in (False, True)}
    counts = {key: len(found) for key, found in times.items()}
    assert min(counts.values()) >= 10, f"too few to judge: {counts}"
    patience = seconds(1 + STRANGERS_COST * strangers)
    figures = []
    for name, share, factor, allowance in (("median", .5, 3, .005), ("99%", .99, 3, .1), ("longest", 1, 1, LONGEST)):
        now, calm, direct, direct_calm = (percentile(times[key], share) for key in (
            ("during", False), ("before", False), ("during", True), ("before", True)))
        bound = factor * (calm + max(0, direct - direct_calm)) + allowance * patience
        figures.append(f"{name} {calm * 1e3:.1f} -> {now * 1e3:.1f} ms "
                       f"(past the gateway {direct_calm * 1e3:.1f} -> {direct * 1e3:.1f})")
        assert now <= bound, f"{figures[-1]}, over {bound * 1e3:.0f} ms; strangers took {strangers:.1f} cores; {slowest(during)}"
    print(", ".join(figures))
