"""The command line of `compare`."""

import argparse
import re
from pathlib import Path

from works import IDLE, PINGED, WORKS

ROOT = Path(__file__).resolve().parents[2]


def peer_names(text):
    names = [name for name in text.split(",") if name]
    if not set(names) <= {"nginx", "haproxy"}:
        raise argparse.ArgumentTypeError("expected nginx, haproxy or both, with a comma")
    return names


def buffer_size(text):
    if not re.fullmatch(r"[1-9]\d*k", text):
        raise argparse.ArgumentTypeError("expected a number of KiB, like 64k")
    return text


def parse_arguments(description):
    names = [work.name for work in WORKS + IDLE + PINGED]
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="rounds, interleaved over the proxies (5)")
    add("--seconds", type=float, default=2, help="measured time of each run (2)")
    add("--warmup", type=float, default=0.3, help="time before it (0.3)")
    add("--only", nargs="+", metavar="NAME", choices=names, help=" ".join(names))
    add("--peers", type=peer_names, default="nginx,haproxy", help="nginx,haproxy; empty for none")
    add("--tunnels", type=int, nargs="+", default=[2000], help="idle tunnels, one or more counts (2000)")
    add("--carry", action="store_true", help="idle: also after each tunnel carried 1 MiB both ways")
    add("--settle", type=float, default=60, help="seconds between that and the measurement (60)")
    add("--ping-tunnels", type=int, default=5000, help="idle-wss-pings: how many tunnels (5000)")
    add("--ping-interval", type=int, default=30, help="seconds from one Ping to the next where all limits are on (30)")
    add("--ping-window", type=float, default=60, help="idle-wss-pings: measured time (60)")
    add("--latency", action="store_true", help="also p50 and p99 at half of nginx's rate")
    add("--bare-peers", action="store_true", help="peers add no forwarding fields")
    add("--buffers", metavar="SIZE", type=buffer_size, help="buffer size of the peers instead of their own, like 64k")
    add("--build", type=Path, default=ROOT / "build/release", help="the build folder")
    add("--json", metavar="FILE", help="write every round to FILE")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    add("--smoke", action="store_true", help="prove in seconds that the bench works; measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.seconds, options.warmup = 1, 0.1, 0.05
        options.peers, options.tunnels, options.settle = [], [20], 0.1
        options.ping_tunnels, options.ping_interval, options.ping_window = 20, 2, 3
        options.carry = options.latency = True
    return options
