"""Attacks by the number of connections: silence in thousands, more than there are places or descriptors."""

import resource
import socket
import time

import pytest

from support.attack_lab import Fort, crowd_of, duration
from support.crowd import RESET, Crowd
from support.http_message import request_bytes
from support.raw_client import blind
from support.waiting import wait_until

WARNING = "no descriptors left"
pytestmark = pytest.mark.deadline(60)


def test_thousands_that_say_nothing(lab, ca):
    fort = Fort(lab, ca, timeouts={"request_head": duration(3)})
    size = crowd_of(4000)
    with fort.siege(memory=40) as siege, Crowd(fort.port, size) as crowd:  # 10 KiB for each
        siege.wait_open(size)
        siege.check_idle()
        crowd.wait_ended(10)
        assert crowd.statuses() == {None: size}
        siege.wait_counted(size, "sluice_client_timeouts_total", phase="request_head")


def test_hundreds_that_say_nothing_behind_their_handshake(lab, ca):
    fort = Fort(lab, ca, timeouts={"request_head": duration(3)})
    size = crowd_of(500)
    with fort.siege(memory=20) as siege, Crowd(fort.secure_port, size, tls=blind()) as crowd:  # 40 KiB for each
        siege.wait_open(size)
        siege.check_idle()
        crowd.wait_ended(10)
        siege.wait_counted(size, "sluice_client_timeouts_total", phase="request_head")
        assert siege.counted("sluice_tls_handshakes_total", result="ok") >= size


def test_hundreds_that_stay_idle_behind_a_request(lab, ca):
    fort = Fort(lab, ca)
    size = crowd_of(1000)
    with fort.siege(memory=10) as siege, Crowd(fort.port, size, request_bytes()) as crowd:
        siege.check_idle()
        crowd.wait_ended()
        assert crowd.statuses() == {200: size}
        siege.wait_counted(size, "sluice_client_timeouts_total", phase="keepalive")


def come_and_go(port, period):
    """Connections that are reset at once, one after another; how many."""
    count, ends = 0, time.monotonic() + period
    while time.monotonic() < ends:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        count += 1
    return count


def test_connections_that_come_and_are_reset(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=10) as siege:
        count = come_and_go(fort.port, 2)
        wait_until(lambda: siege.counted("sluice_connections_accepted_total") >= count, "all to be accepted")


def test_more_connections_than_there_are_places(lab, ca):
    """Who has a connection keeps it; whoever comes is turned away at once, until there are places again."""
    fort = Fort(lab, ca, new_connections=False, limits={"max_connections": 200}, timeouts={"request_head": duration(2)})
    with fort.siege(memory=10) as siege:
        with Crowd(fort.port, 400) as crowd:
            siege.wait_open(180)
            wait_until(lambda: siege.counted("sluice_connections_refused_total", reason="max_connections") >= 200,
                       "those over the limit to be refused")
            come_and_go(fort.port, 0.5)
            assert fort.gateway.admin("/healthz").status == 200
            siege.check_idle()
            assert fort.gateway.metric("sluice_connections_open") <= 200
            crowd.wait_ended(10)
        assert lab.request(fort.gateway).status == 200


def test_no_descriptors_left(lab, ca):
    """Fewer than max_connections counts on, as when backends take more than one for each client: accepting pauses. Whoever asks
    the admin listener gets an answer still."""
    fort = Fort(lab, ca, new_connections=False, timeouts={"request_head": "2m"})  # so that none goes meanwhile
    gateway = fort.gateway
    with fort.siege(memory=10) as siege:
        limits = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (gateway.descriptors() + 50, limits[1]))
        with Crowd(fort.port, 300):
            wait_until(lambda: WARNING in gateway.stderr(), "accepting to pause")
            siege.check_idle()
            for _ in range(5):
                assert siege.counted("sluice_accept_pauses_total") > 0
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, limits)
        assert lab.request(gateway).status == 200
        assert gateway.stderr().count(WARNING) <= 2, "not at each pause, but once for each worker"


def test_the_limit_of_open_files_at_the_start(lab, ca):
    """max_connections follows it, so that the flood is turned away with descriptors to spare: those who are here, the
    admin listener and connections to backends go on."""
    fort = Fort(lab, ca, new_connections=False, wrapper=["prlimit", "--nofile=256:256"])
    gateway = fort.gateway
    assert "256 open files allow 88 connections" in gateway.stderr()
    with fort.siege(memory=10) as siege:
        with Crowd(fort.port, 1000) as crowd:
            wait_until(lambda: siege.counted("sluice_connections_refused_total", reason="max_connections") >= 900,
                       "the flood to be refused")
            assert gateway.admin("/healthz").status == 200
            assert gateway.descriptors() < 256
            assert siege.counted("sluice_accept_pauses_total") == 0
            crowd.wait_ended()
        assert lab.request(gateway).status == 200


@pytest.mark.parametrize("how", ["reset", "half-close", "silence"])
def test_leaving_in_every_phase(lab, ca, how):
    """By a reset, by a FIN alone, or by saying nothing more: nothing stays behind."""
    def script(peer):
        request = peer.read_request_head()
        if request.target == "/idle":
            peer.respond()
        elif request.target == "/respond":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        peer.hang()

    fort = Fort(lab, ca, target=lab.backend(script),
                timeouts={"response_head": duration(1), "response_body_idle": duration(1)})
    answered = [request_bytes("GET", "/respond"), request_bytes("GET", "/idle")]
    waiting = [b"", b"GET /head HTTP/1.1\r\nHos", request_bytes("GET", "/wait"),
               request_bytes("POST", "/body", [("Content-Length", "100")]) + b"half"]
    with fort.siege(memory=10), Crowd(fort.port, 0) as crowd:
        for first in waiting + answered:
            for _ in range(20):
                crowd.add(fort.port, first)
        wait_until(lambda: crowd.receive() or sum(bool(one.received) for one in crowd.members) >= 40, "the answers")
        if how == "reset":
            return crowd.close()
        for member in crowd.members if how == "half-close" else ():
            member.socket.shutdown(socket.SHUT_WR)
        crowd.wait_ended(6)
