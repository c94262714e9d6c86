"""That the tests of faults know every call that the gateway makes on a socket: a new one is to be made to fail as well."""

import re
import subprocess
from pathlib import Path

from support import binary, faults
from support.config_text import config_for
from support.fault_peers import Backend, play, refused_upgrade, tunnel, two_requests, upload_in_chunks
from support.fault_plan import FAULTS, NEVER_FAIL
from support.raw_client import blind
from support.waiting import wait_until

# Functions of the C library that take or make a socket, or something that is waited for beside sockets. The fortified
# ones too: they would pass by those that the library replaces.
SOCKET_FUNCTION = re.compile(
    r"_*(socket(pair)?|bind|listen|accept4?|connect|[gs]etsockopt|get(sock|peer)name|recv(from|m?msg)?|send(to|m?msg)?|"
    r"p?readv?|p?writev?|shutdown|close|dup[23]?|fcntl(64)?|ioctl|p?poll|p?select|epoll_\w+|eventfd\w*|sendfile(64)?|splice|pipe2?)(_chk)?")
# Asio's: for systems that lack epoll_create1 and eventfd; and for synchronous calls on sockets that block, of which there are none. poll
# is called by the commands that talk to a gateway. The discovery waits with it (__poll_chk is the same where fortified) for the sockets
# of c-ares, which carry nobody's request; that it goes on with the last answer is tested in test_discovery.py.
NOT_CALLED = {"epoll_create", "pipe", "poll", "__poll_chk"}
SYSTEM_CALL = re.compile(r"(\d+) +(\w+)\(.*?(?:\d+<(?:socket|TCP|UNIX|anon_inode:\[event)|= \d+<socket)")
TRACED = {"ASAN_OPTIONS": "detect_leaks=0"}  # a leak checker cannot work beside a tracer
PLANNED_AS = {"epoll_ctl_add": "epoll_ctl", "epoll_ctl_mod": "epoll_ctl", "recv_splice": "splice", "send_splice": "splice"}
FUNCTION_OF = {"recvfrom": "recv", "sendto": "send", "eventfd2": "eventfd"}


def symbols(file, *which):
    lines = subprocess.run(["nm", "-D", *which, str(file)], capture_output=True, text=True, check=True, timeout=60).stdout
    return {line.split()[-1].split("@")[0] for line in lines.splitlines()}


def test_every_function_is_replaced():
    imported = {name for name in symbols(binary.path(), "--undefined-only") if SOCKET_FUNCTION.fullmatch(name)}
    assert {"recv", "sendmsg", "epoll_wait"} <= imported, "nothing was found: is the pattern right?"
    assert imported - NOT_CALLED <= symbols(faults.library(), "--defined-only")


def calls_of_workers(gateway, trace):
    tasks = Path(f"/proc/{gateway.pid}/task").iterdir()
    workers = {task.name for task in tasks if (task / "comm").read_text().startswith("worker")}
    assert workers
    found = (SYSTEM_CALL.match(line) for line in trace.read_text(errors="replace").splitlines())
    return {match[2] for match in found if match and match[1] in workers}


def test_every_call_of_a_worker_is_in_the_plan(lab):
    """As a tracer sees it: whatever library makes it, and however."""
    trace = lab.folder / "trace"
    config = config_for(lab.backend(Backend(), record=False), workers=1)
    config["listeners"].append({"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}})
    tracer = ["strace", "-D", "-f", "-y", "-s", "0", "-o", str(trace), "-e", "trace=%desc,%network"]
    gateway = lab.gateway_from(config, wrapper=tracer, env=TRACED)
    for number, scenario in enumerate([two_requests, upload_in_chunks, refused_upgrade, tunnel]):
        for listener, tls in [("web", None), ("secure", blind())]:
            ending = play(scenario, f"try-{number}", lambda: lab.client(gateway, listener, tls=tls, timeout=20))
            assert ending.right, ending
    gateway.wait_metric("sluice_connections_open", 0)
    wait_until(lambda: {"close", "recvfrom"} <= calls_of_workers(gateway, trace), "the trace to be written")
    made = {FUNCTION_OF.get(name, name) for name in calls_of_workers(gateway, trace)}
    planned = {PLANNED_AS.get(name, name) for name in FAULTS} | NEVER_FAIL
    assert made <= planned, f"not in the plan: {made - planned}"
