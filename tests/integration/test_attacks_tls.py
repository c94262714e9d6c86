"""Attacks on TLS: garbage in place of handshakes, handshakes that end half-way, and what may follow one."""

import contextlib
import os
import ssl
import time

import pytest

from support.attack_lab import Fort
from support.crowd import Crowd
from support.http_message import request_bytes
from support.libssl import TLS_1_2, TLS_1_3, OpensslClient
from support.raw_client import blind
from support.waiting import seconds

pytestmark = pytest.mark.deadline(60)
NAME = b"test.example"
EACH = 40


def client_hello():
    """As this Python's OpenSSL would send it, for NAME."""
    outgoing = ssl.MemoryBIO()
    engine = blind().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME.decode())
    with contextlib.suppress(ssl.SSLWantReadError):
        engine.do_handshake()
    return outgoing.read()


def record(payload, kind=22):
    return bytes([kind, 3, 1]) + len(payload).to_bytes(2, "big") + payload


def hello_of(size):
    """The beginning of a ClientHello that says it will be so long."""
    return record(b"\x01" + size.to_bytes(3, "big") + b"\x03\x03" + bytes(32))


def with_cut_extensions(hello):
    """The lengths of record and message say less than the fields in it."""
    body = hello[5:-40]
    return record(b"\x01" + (len(body) - 4).to_bytes(3, "big") + body[4:])


def retried_hello():
    """Its only key is for a group that the gateway does not have (X448), so it is asked for another (RFC 8446 4.1.4)."""
    key_of_x25519 = b"\x00\x33\x00\x26\x00\x24\x00\x1d"
    assert key_of_x25519 in client_hello()
    return client_hello().replace(key_of_x25519, key_of_x25519[:-1] + b"\x1e")


REFUSED = {
    "random bytes": os.urandom(300),
    "http": request_bytes("GET", "/"),
    "a record over 16 KiB": bytes([22, 3, 1, 0xFF, 0xFF]) + bytes(300),
    "data before the handshake": record(b"data", kind=23),
    "an alert before the handshake": record(b"\x02\x28", kind=21),
    "a hello over 128 KiB": hello_of(0xFFFFFF),
    "a hello of nothing": record(b"\x01\x00\x00\x00"),
    "cut extensions": with_cut_extensions(client_hello()),
    "a server's hello": record(b"\x02\x00\x00\x26\x03\x03" + bytes(36)),
}
UNFINISHED = {
    "half a hello": client_hello()[:60],
    "a hello and nothing more": client_hello(),
    "a hello to be repeated": retried_hello(),
    "a name of garbage": client_hello().replace(NAME, b"te\x00t.ex\xffm/."),
}


def test_garbage_in_place_of_handshakes(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=30) as siege, Crowd(fort.secure_port, 0) as crowd:
        for garbage in REFUSED.values():
            for _ in range(EACH):
                crowd.add(fort.secure_port, garbage)
        crowd.wait_ended()
        siege.wait_counted(EACH * len(REFUSED), "sluice_tls_handshakes_total", result="failed")


def test_handshakes_that_are_not_finished(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=30) as siege, Crowd(fort.secure_port, 0) as crowd:
        for beginning in UNFINISHED.values():
            for _ in range(EACH):
                crowd.add(fort.secure_port, beginning)
        crowd.wait_ended()
        siege.wait_counted(EACH * len(UNFINISHED), "sluice_client_timeouts_total", phase="tls_handshake")
        siege.wait_counted(EACH * len(UNFINISHED), "sluice_tls_handshakes_total", result="timeout")


def test_hellos_that_drip(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=30) as siege, Crowd(fort.secure_port, 200) as crowd:
        hello, ends = iter(client_hello()), time.monotonic() + seconds(5)
        while crowd.alive() and time.monotonic() < ends:
            crowd.send(bytes([next(hello)]))
            crowd.receive(0.05)
        crowd.wait_ended()
        siege.wait_counted(200, "sluice_tls_handshakes_total", result="timeout")


@pytest.mark.parametrize("first", [b"", retried_hello()], ids=["first", "behind a retry request"])
def test_long_hellos_that_never_come(lab, ca, first):
    """One that says it will have 128 KiB must not take that much memory before it has come: refused at once."""
    fort = Fort(lab, ca, timeouts={"tls_handshake": "2m"})
    with fort.siege(memory=16) as siege, Crowd(fort.secure_port, 200, first + hello_of(0x20000)) as crowd:
        crowd.wait_ended()
        siege.wait_counted(200, "sluice_tls_handshakes_total", result="failed")


def test_a_flood_of_handshakes(lab, ca):
    """Each makes the gateway sign, and then leaves."""
    fort = Fort(lab, ca)
    hello, waves = client_hello(), 20
    with fort.siege(memory=30) as siege:
        for _ in range(waves):
            with Crowd(fort.secure_port, 50, hello) as crowd:
                while not all(member.received for member in crowd.alive()):
                    crowd.receive(1)
        siege.wait_counted(50 * waves, "sluice_tls_handshakes_total", result="failed")


def test_renegotiation(lab, ca):
    """It would cost the gateway a signature each time; whoever asks for it is done."""
    fort = Fort(lab, ca)
    with fort.siege(memory=10) as siege:
        for _ in range(20):
            client = OpensslClient(fort.secure_port, TLS_1_2)
            assert client.send(request_bytes()) and client.read().startswith(b"HTTP/1.1 200 OK")
            assert not client.renegotiate()
            client.send(request_bytes())
            assert client.read() == b""
            client.close()
        siege.wait_counted(20, "sluice_tls_violations_total", reason="renegotiation")


def test_endless_key_updates(lab, ca):
    fort = Fort(lab, ca)
    with fort.siege(memory=10) as siege:
        for _ in range(20):
            client = OpensslClient(fort.secure_port, TLS_1_3)
            assert client.send(request_bytes()) and client.read().startswith(b"HTTP/1.1 200 OK")
            updates = 0
            while updates < 100_000 and client.update_keys():
                updates += 1
            assert updates < 100_000, "they are not ended"
            client.close()
        siege.wait_counted(20, "sluice_tls_violations_total", reason="key_updates")


def test_records_that_do_not_decrypt(lab, ca):
    """Garbage behind a handshake, in the place of a request."""
    fort = Fort(lab, ca)
    with fort.siege(memory=10) as siege, Crowd(fort.secure_port, 50, tls=blind()) as crowd:
        for member in crowd.members:
            os.write(member.socket.fileno(), record(os.urandom(200), kind=23))
        crowd.wait_ended()
        siege.wait_counted(50, "sluice_tls_violations_total", reason="protocol")
