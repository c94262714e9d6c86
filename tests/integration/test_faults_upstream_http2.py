"""Requests and WebSockets to a backend of HTTP/2 while system calls fail: support/fault_lab.py says what is examined."""

import hashlib

import pytest

from support.fault_lab import FaultLab
from support.fault_peers import BODY, DIGEST, PIECE, TRY, Backend, ask, expect, upgrade
from support.http2_backend import FrameServer
from support.http2_frames import HEADERS
from support.raw_backend import echo_websocket
from support.tunnel_backend import Tunnels, TunnelServer
from support.websocket import BINARY, CLOSE, close_payload

MODES = ["plain", "tls_backend"]
NEEDED = {"connect", "recv", "send", "close"}
# Each scenario has a connection of its own, as far as that can be said of shared ones.
H2 = {"protocol": "h2", "pool": {"idle_timeout": "1ms"}}


class Http2Backend(Backend):
    """Answers as the other one does."""

    def __call__(self, connection):
        server = FrameServer(connection)
        while True:
            while not server.complete:
                one = server.next_frame(timeout=60)
                asked = server.requests.get(one.stream)
                if one.kind == HEADERS and asked.method == "POST" and not asked.trailers:
                    self.begun[asked.header(TRY.lower())] += 1
            self._respond(server, server.request())

    def _respond(self, server, asked):
        if asked.path.startswith("/upload"):
            digest = self.uploaded[asked.header(TRY.lower())] = hashlib.sha256(asked.body).hexdigest().encode()
            server.respond(asked, 200, digest)
        elif asked.path.startswith("/chunked"):
            server.respond(asked, 200, BODY[:PIECE], trailers=[("x-end", "yes")])
        else:
            body = BODY if asked.path.startswith("/long") else b"ok"
            server.respond(asked, 200, body, ("content-length", str(len(body))))


def two_requests(stream, name):
    """A long answer and one with trailers."""
    expect(ask(stream, name, "/long"), 200, BODY)
    response = ask(stream, name, "/chunked/last")
    expect(response, 200, BODY[:PIECE])
    assert [(key.lower(), value) for key, value in response.trailers] == [("x-end", "yes")]


def upload(stream, name):
    expect(ask(stream, name, "/upload/last", "POST", body=BODY), 200, DIGEST)


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [two_requests, upload])
def test_requests(lab, ca, mode, scenario):
    counts = FaultLab(lab, ca, mode, upstream=H2, script=Http2Backend(), alpn=["h2"]).run(scenario)
    assert all(counts[call] for call in NEEDED), counts


class TunnelingBackend(Backend):
    def __call__(self, connection):
        TunnelServer(connection, Tunnels(echo_websocket, record=False, page=b"ok")).run()


def tunnel(client, name):
    """A message of two frames of HTTP/2 there and back, and Close."""
    upgrade(client, name)
    client.send_frame(BINARY, BODY[:20_000])
    assert client.read_frame().payload == BODY[:20_000]
    client.send_frame(CLOSE, close_payload(1000))
    assert client.read_frame().close_code == 1000
    client.expect_closed()


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [upgrade, tunnel])
def test_websockets(lab, ca, mode, scenario):
    counts = FaultLab(lab, ca, mode, upstream=H2, script=TunnelingBackend(), alpn=["h2"]).run(scenario)
    assert all(counts[call] for call in NEEDED), counts
