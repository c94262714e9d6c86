"""Ways to a gateway that speaks HTTP/2, for tests that go each of them: `from support.http2_way import way`, a fixture."""

import hashlib
import random

import pytest

from support.http2_client import Http2Client
from support.raw_client import trusting

BODY = random.Random(2).randbytes(1_000_000)
WINDOW = 65535


def listeners(ca):
    protocols = ["h2", "http/1.1"]
    return [{"name": "plain", "address": "127.0.0.1:0", "protocols": protocols},
            {"name": "tls", "address": "127.0.0.1:0", "protocols": protocols, "tls": {"certificates": [ca.issue("test.example").as_config()]}}]


class Way:
    """To a gateway: in the clear or over TLS."""

    def __init__(self, lab, ca, mode):
        self.lab, self.ca, self.mode = lab, ca, mode
        self.tls = trusting(ca.certificate, alpn=["h2"]) if mode == "tls" else None

    def gateway(self, *backends, **config):
        return self.lab.gateway(*backends, listeners=listeners(self.ca), **config)

    def client(self, gateway, **options):
        client = Http2Client.to(gateway.ports[self.mode], tls=self.tls, **options)
        self.lab.clients.append(client)
        return client

    def client_for(self, script, **config):
        """With a gateway and a backend of its own."""
        return self.client(self.gateway(self.lab.backend(script), **config))


@pytest.fixture(params=["plain", "tls"])
def way(request, lab, ca):
    return Way(lab, ca, request.param)


def digest(body):
    return hashlib.sha256(body).hexdigest().encode()


def answer_by_path(connection):
    """/BYTES: that many; else what the request's body was."""
    while True:
        request = connection.read_request(timeout=20)
        name = request.target[1:]
        connection.respond(body=BODY[:int(name)] if name.isdigit() else digest(request.body))
