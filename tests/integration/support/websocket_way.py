"""What carries a WebSocket towards its client, and towards its backend: a connection of its own, or a stream of HTTP/2. `from
support.websocket_way import over`, a fixture, for tests to which it must make no difference. Their backends are over.backend()."""

import pytest

from support import http2_websocket, websocket
from support.http2_client import Http2Client
from support.raw_backend import answer_ok
from support.tunnel_backend import TunnelBackend

H2 = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]


class Over:
    def __init__(self, lab, version, backend_version="http/1.1"):
        self.lab, self.version, self.backend_version = lab, version, backend_version

    def backend(self, script=answer_ok, **options):
        """That runs `script` for each WebSocket."""
        if self.backend_version == "h2":
            return self.lab.keep(TunnelBackend(script, **options))
        return self.lab.backend(script, **options)

    def gateway(self, *backends, **config):
        if self.version == "h2":
            config.setdefault("listeners", H2)
        if any(isinstance(backend, TunnelBackend) for backend in backends):
            config["upstream"] = {"protocol": "h2", **config.get("upstream", {})}
        return self.lab.gateway(*backends, **config)

    def open(self, gateway, target="/ws", extra=(), slow=False):
        """A client with an open WebSocket; `opening` is the answer to its handshake. `slow`: it takes next to nothing before it is read."""
        if self.version == "http/1.1":
            client = self.lab.client(gateway, **({"receive_buffer": 4096} if slow else {}))
            client.opening = websocket.open_websocket(client, target, extra)
            return client
        client = self.open_on(self.connection(gateway), target, extra)
        if slow:
            client.stall()
        return client

    # of clients that speak HTTP/2

    def connection(self, gateway):
        client = Http2Client.to(gateway.port)
        self.lab.clients.append(client)
        return client

    @staticmethod
    def begin(client, target="/ws", extra=()):
        return http2_websocket.begin_websocket(client, target, extra)

    @staticmethod
    def open_on(client, target="/ws", extra=()):
        opened = http2_websocket.open_websocket(client, target, extra)
        opened.opening = opened.answer
        return opened


@pytest.fixture(params=[("http/1.1", "http/1.1"), ("h2", "http/1.1"), ("http/1.1", "h2")], ids=["http/1.1", "h2", "to-h2"])
def over(request, lab):
    return Over(lab, *request.param)
