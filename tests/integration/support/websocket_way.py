"""What carries a client's WebSocket: a connection of its own, or a stream of HTTP/2. `from support.websocket_way import over`, a fixture, for
tests to which it must make no difference."""

import pytest

from support import http2_websocket, websocket
from support.http2_client import Http2Client

H2 = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]


class Over:
    def __init__(self, lab, version):
        self.lab, self.version = lab, version

    def gateway(self, *backends, **config):
        if self.version == "h2":
            config.setdefault("listeners", H2)
        return self.lab.gateway(*backends, **config)

    def open(self, gateway, target="/ws", extra=(), slow=False):
        """A client with an open WebSocket. `slow`: it takes next to nothing before it is read."""
        if self.version == "http/1.1":
            client = self.lab.client(gateway, **({"receive_buffer": 4096} if slow else {}))
            websocket.open_websocket(client, target, extra)
            return client
        connection = Http2Client.to(gateway.port)
        self.lab.clients.append(connection)
        client = http2_websocket.open_websocket(connection, target, extra)
        if slow:
            client.stall()
        return client


@pytest.fixture(params=["http/1.1", "h2"])
def over(request, lab):
    return Over(lab, request.param)
