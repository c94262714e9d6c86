"""What tunnels cost that carry nothing: memory, and processor time for Pings."""

import json
import sys
import time
from pathlib import Path

from proxies import Process, StartError, cpu_seconds, resident_kib

OPEN_SECONDS = 60


class Tunnels:
    """Open tunnels through a proxy, held by a load generator, which answers Pings."""

    def __init__(self, setup, work, proxy, count, stay, *extra):
        port = proxy.port["tls" if work.tls else "plain"]
        shared = work.tool == "idle_http2.py"
        program = [sys.executable, str(Path(__file__).parent / work.tool)] if shared else [setup.tool("bench_load"), "idle"]
        command = [*program, "--to", f"127.0.0.1:{port}", "--connections", str(count), "--seconds", str(OPEN_SECONDS + stay + 60),
                   *(["--tls"] if work.tls and not shared else []), *work.load, *work.where(), *extra]
        self.load = Process(command, setup.load_core)
        try:
            self.expect("open", OPEN_SECONDS)
            if work.route and not proxy.took(work.route):
                raise StartError(f"not by the route {work.route}")
        except StartError:
            self.stop()
            raise

    def expect(self, word, seconds):
        line = self.load.read_line(seconds)
        if line.strip() != word:
            raise StartError(f"the load generator says {line.strip()}")

    def carry(self, seconds):
        self.load.child.stdin.write("carry\n")
        self.load.child.stdin.flush()
        self.expect("carried", seconds)

    def see_that_none_was_lost(self):
        self.load.child.stdin.close()
        result = json.loads(self.load.read_line(10))
        if result["errors"]:
            raise StartError(f"tunnels were lost: {result}")

    def stop(self):
        self.load.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def resident_per_tunnel(options, setup, work, proxy, count):
    """KiB, freshly opened and, if asked for, some time after each tunnel carried 1 MiB both ways."""
    pids = proxy.pids()
    before = resident_kib(pids)
    carry_seconds = 60 + count / 10  # through the slowest peer on a busy machine
    carry = options.carry and work.tool == "bench_load"
    extra = ["--carry", str(1 << 20)] if carry else []
    with Tunnels(setup, work, proxy, count, carry_seconds + options.settle, *extra) as tunnels:
        time.sleep(min(0.5, options.settle))
        row = {"fresh": round((resident_kib(pids) - before) / count, 2)}
        if carry:
            tunnels.carry(carry_seconds)
            time.sleep(options.settle)
            row["carried"] = round((resident_kib(pids) - before) / count, 2)
        tunnels.see_that_none_was_lost()
        return row


def share_of_a_core(options, setup, work, proxy):
    """Percent, while tunnels do nothing but answer Pings; and how many of them were answered in a second."""
    count, window = options.ping_tunnels, options.ping_window
    with Tunnels(setup, work, proxy, count, window) as tunnels:
        answered = proxy.pings_answered(work.route)
        used, begin = cpu_seconds(proxy.pids()), time.monotonic()
        time.sleep(window)
        used, seconds = cpu_seconds(proxy.pids()) - used, time.monotonic() - begin
        answered = proxy.pings_answered(work.route) - answered
        tunnels.see_that_none_was_lost()
    # To both sides of each; of those that are due at the window's edges some fall beside it.
    if answered < 2 * count * int(window / options.ping_interval) * 0.9:
        raise StartError(f"only {answered:.0f} Pings were answered")
    return {"tunnels": count, "pings": round(answered / seconds, 1), "percent": round(100 * used / seconds, 2)}
