"""Attacks by what is in a request's head, and by upgrades that come to nothing."""

import pytest

from support.attack_lab import Fort
from support.crowd import Crowd
from support.http_message import request_bytes
from support.waiting import wait_until
from support.websocket import upgrade_bytes

pytestmark = pytest.mark.deadline(60)
KIB = 1024
EACH = 50


def head_of(size):
    """A head of exactly so many bytes, most of them in one field."""
    empty = request_bytes("GET", "/", [("X-Fill", "")])
    return request_bytes("GET", "/", [("X-Fill", "x" * (size - len(empty)))])


def fields(count):
    """With so many fields, Host among them."""
    return request_bytes("GET", "/", [("a", "b")] * (count - 1))


def target_of(size):
    return request_bytes("GET", "/" + "x" * (size - len("GET / HTTP/1.1")))


BOMBS = {  # name: bytes, status, reason of the parse error
    "the longest head": (head_of(64 * KIB), 200, None),
    "a byte too long": (head_of(64 * KIB + 1), 431, "head_too_large"),
    "a field without an end": (b"GET / HTTP/1.1\r\nX: " + b"x" * 200 * KIB, 431, "head_too_large"),
    "the most fields": (fields(100), 200, None),
    "a field too many": (fields(101), 431, "too_many_headers"),
    "thousands of tiny fields": (fields(15_000), 431, "too_many_headers"),
    "the longest request line": (target_of(16 * KIB), 200, None),
    "a request line too long": (target_of(16 * KIB + 1), 414, "request_line_too_long"),
    "a request line without an end": (b"GET /" + b"x" * 200 * KIB, 414, "request_line_too_long"),
    "a method without an end": (b"X" * 200 * KIB, 414, "request_line_too_long"),
    "tls on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, "bad_method"),
    "nothing but line ends": (b"\r\n" * 10_000, 400, "bad_request_line"),
}


def test_header_bombs(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=40) as siege:
        for name, (bomb, status, reason) in BOMBS.items():
            with Crowd(fort.port, EACH) as crowd:
                left = {member: bomb for member in crowd.members}
                while any(left.values()) and crowd.alive():
                    for member in crowd.alive():
                        left[member] = left[member][crowd.push(member, left[member]):]
                    crowd.receive(0.01)
                wait_until(lambda: crowd.receive() or all(one.received for one in crowd.members), f"answers to {name}")
                assert crowd.statuses() == {status: EACH}, name
        for reason in {reason for _, _, reason in BOMBS.values() if reason}:
            count = EACH * sum(reason == one for _, _, one in BOMBS.values())
            siege.wait_counted(count, "sluice_parse_errors_total", reason=reason)


def test_large_heads_that_are_not_finished(lab, ca):
    """What waits in memory is the head's bytes, once or twice."""
    fort = Fort(lab, ca)
    with fort.siege(memory=50) as siege, Crowd(fort.port, 300, head_of(64 * KIB)[:-2]) as crowd:
        siege.check_idle()
        crowd.wait_ended()
        assert crowd.statuses() == {408: 300}
        siege.wait_counted(300, "sluice_client_timeouts_total", phase="request_head")


@pytest.mark.parametrize("how", ["wrong handshake", "refused by the backend"])
def test_upgrades_that_come_to_nothing(lab, ca, how):
    backend = lab.backend(lambda peer: (peer.read_request_head(), peer.respond(403)), record=False)
    fort = Fort(lab, ca, target=backend)
    wrong = how == "wrong handshake"
    attempt = upgrade_bytes(replace={"Sec-WebSocket-Key": "short"} if wrong else None)
    with fort.siege(memory=10) as siege:
        for _ in range(10):
            with Crowd(fort.port, EACH, attempt) as crowd:
                crowd.wait_ended()
                assert crowd.statuses() == {400 if wrong else 403: EACH}
        siege.wait_counted(10 * EACH, "sluice_websocket_upgrades_total", route="attacked",
                           result="rejected_client" if wrong else "refused_upstream")
