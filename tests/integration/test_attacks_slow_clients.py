"""Clients that take their time: with heads, with bodies, with reading."""

import pytest

from support.attack_lab import Fort
from support.crowd import Crowd
from support.http_message import request_bytes
from support.raw_client import blind
from support.waiting import seconds, wait_until

pytestmark = pytest.mark.deadline(60)
MIB = 2**20
CROWD = 300
HALF_A_HEAD = b"GET /slow HTTP/1.1\r\nHost: test.example\r\nX-Slow: "
SWALLOWED = 50
TIMEOUTS = "sluice_client_timeouts_total"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_heads_that_drip_for_ever(lab, ca, tls):
    fort = Fort(lab, ca)
    with fort.siege(memory=30 if tls else 10) as siege:
        port = fort.secure_port if tls else fort.port
        with Crowd(port, CROWD, HALF_A_HEAD, tls=blind() if tls else None) as crowd:
            crowd.drip(b"x", every=0.05, duration=seconds(5))
            crowd.wait_ended()
            assert crowd.statuses() == {408: CROWD}
            siege.wait_counted(CROWD, TIMEOUTS, phase="request_head")


@pytest.mark.parametrize("framing,drop", [
    (("Content-Length", "1000000"), b"x"),
    (("Transfer-Encoding", "chunked"), b"1\r\nx\r\n"),
    (("Transfer-Encoding", "chunked"), b"1;name=\"" + b"e" * 200 + b"\"\r\nx\r\n"),
], ids=["length", "tiny chunks", "chunk extensions"])
def test_bodies_that_drip_for_ever(lab, ca, framing, drop):
    """Each byte is in time, so they may; when they stop, they go."""
    backend = lab.backend(lambda peer: (peer.read_request_head(), peer.hang()), record=False)
    fort = Fort(lab, ca, target=backend)
    with fort.siege(memory=20) as siege:
        with Crowd(fort.port, 100, request_bytes("POST", "/slow", [framing])) as crowd:
            crowd.drip(drop, every=0.05, duration=seconds(1.5))
            assert len(crowd.alive()) == 100
            siege.check_idle()
            crowd.wait_ended()
            assert crowd.statuses() == {408: 100}
            siege.wait_counted(100, TIMEOUTS, phase="request_body")


def test_a_chunk_extension_that_never_ends(lab, ca):
    fort = Fort(lab, ca, target=lab.backend(lambda peer: (peer.read_request_head(), peer.hang())))
    head = request_bytes("POST", "/slow", [("Transfer-Encoding", "chunked")])
    with fort.siege(memory=10) as siege, Crowd(fort.port, 100, head + b"1;e") as crowd:
        crowd.drip(b"e" * 20, every=0.02, duration=seconds(5))
        assert crowd.statuses() == {400: 100}
        siege.wait_counted(100, "sluice_parse_errors_total", reason="bad_chunk_extension")


def test_a_body_in_tls_records_of_one_byte(lab, ca):
    """As fast as they can: some 23 bytes on the wire and a decryption for each byte of body."""
    backend = lab.backend(lambda peer: (peer.read_request_head(), peer.hang()), record=False)
    fort = Fort(lab, ca, target=backend)
    head = request_bytes("POST", "/slow", [("Content-Length", "1000000")])
    with fort.siege(memory=10) as siege, Crowd(fort.secure_port, 10, head, tls=blind()) as crowd:
        crowd.drip(b"x", every=0, duration=seconds(1.5))
        assert len(crowd.alive()) == 10
        crowd.wait_ended()
        siege.wait_counted(10, TIMEOUTS, phase="request_body")


def large_answers(peer):
    """More than sockets take in."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
    peer.send_until_blocked(bytes(MIB), 64 * MIB, quiet=5)


@pytest.mark.parametrize("tls,sip", [(False, False), (False, True), (True, False)],
                         ids=["plain", "plain, byte by byte", "tls"])
def test_large_answers_that_are_not_read(lab, ca, tls, sip):
    """With the smallest window that there is. A byte taken from it now and then does not open it again."""
    fort = Fort(lab, ca, target=lab.backend(large_answers, record=False))
    # Of each answer one write is held.
    with fort.siege(memory=20) as siege:
        with Crowd(fort.secure_port if tls else fort.port, SWALLOWED, request_bytes("GET", "/large"),
                   tls=blind() if tls else None, receive_buffer=1) as crowd:
            def cut():
                for member in crowd.members if sip else ():
                    member.sip()
                return siege.counted(TIMEOUTS, phase="client_write") == SWALLOWED
            wait_until(cut, "all to be cut", 10)


def test_requests_in_a_row_whose_answers_are_not_read(lab, ca):
    fort = Fort(lab, ca, route={"respond": {"status": 200, "body": "x" * 20_000}})
    flood = request_bytes("GET", "/flood") * 100
    with fort.siege(memory=20) as siege, Crowd(fort.port, SWALLOWED, receive_buffer=1) as crowd:
        wait_until(lambda: crowd.send(flood) == 0 or siege.counted(TIMEOUTS, phase="client_write") == SWALLOWED,
                   "all to be stuck", 10)
        siege.wait_counted(SWALLOWED, TIMEOUTS, phase="client_write")
