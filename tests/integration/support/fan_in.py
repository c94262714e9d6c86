"""What the tests of WebSockets to backends over HTTP/2 (RFC 8441) have in common: `from support.fan_in import over`, a fixture, and who
waits, who answers, and what is agreed on."""

import itertools
import json

import pytest

from support.http2_backend import FrameServer, answer_all
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend
from support.waiting import seconds, wait_until
from support.websocket import assert_carries, upgrade_bytes, upgrade_fields
from support.websocket_way import Over

TUNNELS = "sluice_upstream_http2_tunnels_open"
STREAMS = "sluice_upstream_http2_streams_open"
ONE = {"workers": 1}
OFFERED = [("Sec-WebSocket-Protocol", "chat.v2, chat.v1"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
           ("Origin", "https://a.example")]


@pytest.fixture(params=["http/1.1", "h2"])
def over(request, lab):
    """What the clients speak."""
    return Over(lab, request.param, "h2")


def fan_in(over, script=echo_websocket, *pairs, upstream=None, **config):
    backend = over.lab.keep(TunnelBackend(script, *pairs))
    return backend, over.gateway(backend, upstream=upstream or {}, **{**ONE, **config})


def answer_of(over, gateway, target="/ws", extra=()):
    """What a handshake comes to that is refused."""
    if over.version == "h2":
        client = over.connection(gateway)
        return client.answer(over.begin(client, target, extra).number)
    client = over.lab.client(gateway)
    client.send(upgrade_bytes(target, extra=extra))
    return client.response()


def assert_logged(gateway, text, times=1):
    """For the operator, why a handshake has failed."""
    wait_until(lambda: gateway.stderr().count(text) == times, lambda: f"{text} in the log:\n{gateway.stderr()}")


def url_of(backend):
    return f"https://localhost:{backend.port}"


def tls_upstream(ca, **more):
    return {"tls": {"ca": str(ca.certificate)}, **more}


def requests_at(gateway):
    """That are under way at the endpoint, those included that wait for a connection."""
    endpoint, = json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"]
    return endpoint["in_flight"]


def handshakes_at_once(lab, gateway, count):
    """Clients whose handshakes the gateway has, and no answer to any."""
    before = requests_at(gateway)
    clients = [lab.client(gateway) for _ in range(count)]
    for client in clients:
        client.send(upgrade_bytes())
    wait_until(lambda: requests_at(gateway) == before + count, "all handshakes at the gateway")
    return clients


def handshake(lab, gateway):
    """The answer to one, whose client then leaves."""
    return lab.request(gateway, "GET", "/ws", headers=upgrade_fields())


def assert_accepted(clients):
    for client in clients:
        head = client.read_until(b"\r\n\r\n", timeout=15)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert_carries(client)


def answers_of(clients):
    """Status and Sluice-Error of each."""
    responses = [client.response() for client in clients]
    return [(one.status, one.header("sluice-error")) for one in responses]


# ---- backends under TLS that speak both -----------------------------------------------------------------------------

class HeldTls:
    """Stands where a RawBackend has its context: the handshake of its connection `index` waits for held[index]."""

    def __init__(self, context, *held):
        self.context, self.held = context, held
        self._count = itertools.count()

    def wrap_socket(self, sock, **options):
        index = min(next(self._count), len(self.held) - 1)
        assert self.held[index].wait(seconds(20)), "the test never gave the sign"
        return self.context.wrap_socket(sock, **options)


def h2_or_echo(connection):
    """By what was agreed on. HTTP/2 without extended CONNECT."""
    connection.agreed = connection.socket.selected_alpn_protocol()
    if connection.agreed == "h2":
        return answer_all(FrameServer(connection))
    return echo_websocket(connection)


def protocols_of(backend):
    return [one.agreed for one in backend.connections]
