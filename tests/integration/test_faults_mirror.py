"""Requests that are copied while system calls fail, those of the copies too: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import FaultLab
from support.fault_peers import BODY, Backend, ask, expect
from support.http2_backend import FrameServer, tls_context
from support.http_message import response_bytes

NEEDED = {"connect", "recv", "send", "close"}
# What fails may be the client's connection to its backend as well: that it could not be opened is then for the second attempt.
TWICE = {"retries": {"attempts": 2}}


class Echo(Backend):
    """What is PUT comes back."""

    def _answer(self, connection, request, name, fields):
        if request.method != "PUT":
            return super()._answer(connection, request, name, fields)
        return response_bytes(200, b"".join(connection.blocks(int(request.header("Content-Length")))), fields)


class Http2Echo:
    def __call__(self, connection):
        server = FrameServer(connection)
        while True:
            asked = server.request(timeout=60)
            server.respond(asked, 200, asked.body)


def copied(stream, name):
    """A copy without a body, and one whose body is as long as it may be."""
    expect(ask(stream, name, "/"), 200, b"ok")
    expect(ask(stream, name, "/last", "PUT", BODY[:65_536]), 200, BODY[:65_536])


@pytest.mark.deadline(150)
@pytest.mark.parametrize("protocol", ["http/1.1", "h2", "alpn"])
def test_copies(lab, ca, protocol):
    certificate = tls_context(ca, "h2") if protocol == "alpn" else None
    backend = lab.backend(Echo() if protocol == "http/1.1" else Http2Echo(), tls=certificate, record=False)
    mirror = {"endpoints": [f"https://localhost:{backend.port}" if certificate else backend.url],
              "pool": {"idle_timeout": "1ms", "max_idle": 0}, "protocol": "http/1.1" if protocol == "http/1.1" else "h2"}
    if certificate:
        mirror["tls"] = {"ca": str(ca.certificate)}
    counts = FaultLab(lab, ca, "plain", upstream=TWICE, script=Echo(), mirror=mirror).run(copied)
    assert all(counts[call] for call in NEEDED), counts
