"""WebSockets that share HTTP/2 connections to their backend (RFC 8441), whatever their clients speak: how many share how many, and how
long a connection stays. What a tunnel carries and how it ends is told by the tests of tunnels, which take this way too
(support/websocket_way.py); here and in test_fan_in_*.py is what sharing makes of it. What is said where:

    RFC 8441  3    SETTINGS_ENABLE_CONNECT_PROTOCOL        test_fan_in_waiting.py, test_fan_in_fallback.py
              4    the extended CONNECT                    test_fan_in_handshakes.py
              5    answers, END_STREAM, RST_STREAM         test_fan_in_handshakes.py, test_fan_in_ends.py
    RFC 9113  6.8  GOAWAY                                  test_fan_in_ends.py
              7    HTTP_1_1_REQUIRED                       test_fan_in_fallback.py
              8.7  REFUSED_STREAM                          test_fan_in_handshakes.py
"""

import threading
import time

import pytest

from support.config_text import config_for
from support.fan_in import ONE, STREAMS, TUNNELS, answer_of, assert_accepted, fan_in, handshakes_at_once
from support.fan_in import over  # noqa: F401 (a fixture)
from support.http2_frames import GOAWAY, MAX_STREAMS
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend, TunnelServer
from support.waiting import seconds, stays, wait_until
from support.websocket import CLOSE, assert_carries, open_websocket, upgrade_bytes
from support.websocket_way import H2, Over


def test_many_websockets_share_few_connections(over):
    backend, gateway = fan_in(over, upstream={"tunnels_per_connection": 10})
    clients = [over.open(gateway) for _ in range(25)]
    assert len(backend.links) == 3
    assert [len(server.tunnels) for server in backend.servers] == [10, 10, 5]
    for client in clients:
        assert_carries(client)
    assert gateway.metric(TUNNELS, upstream="app") == gateway.metric(STREAMS, upstream="app") == 25
    assert gateway.metric("sluice_upstream_connections_open", upstream="app") == 3
    for client in clients:
        client.close()
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    gateway.wait_metric(STREAMS, 0, upstream="app")
    gateway.wait_metric("sluice_upstream_connections_idle", 3, upstream="app")
    assert all(link.ended is None for link in backend.links)
    for event in "tunnel_open", "tunnel_close":
        gateway.wait_log(25, event=event, upstream_version="HTTP/2.0")


def test_the_fullest_connection_with_room_is_taken(over):
    backend, gateway = fan_in(over, upstream={"tunnels_per_connection": 3})
    clients = [over.open(gateway) for _ in range(7)]
    first, second, third = backend.servers
    clients[0].close()  # of the first, which is left with two
    gateway.wait_metric(TUNNELS, 6, upstream="app")
    over.open(gateway)
    assert [len(server.tunnels) for server in (first, second, third)] == [4, 3, 1]
    over.open(gateway)
    assert len(third.tunnels) == 2 and len(backend.links) == 3


def test_both_kinds_of_clients_and_requests_share_one_connection(lab):
    backend = lab.keep(TunnelBackend())
    over = Over(lab, "h2", "h2")
    gateway = over.gateway(backend, **ONE)
    plain = lab.client(gateway)
    open_websocket(plain)
    websocket = over.open(gateway)
    assert lab.request(gateway, "GET", "/beside").body == b"/beside"
    assert_carries(plain)
    assert_carries(websocket)
    assert len(backend.links) == 1


def test_no_more_than_the_backend_allows(over):
    backend, gateway = fan_in(over, echo_websocket, (MAX_STREAMS, 2))
    clients = [over.open(gateway) for _ in range(5)]
    for client in clients:
        assert_carries(client)
    assert [len(server.tunnels) for server in backend.servers] == [2, 2, 1]


def test_a_backend_that_allows_no_streams(over):
    backend, gateway = fan_in(over, echo_websocket, (MAX_STREAMS, 0), upstream={"retries": {"attempts": 1}})
    answer = answer_of(over, gateway)
    assert (answer.status, answer.header("sluice-error")) == (503, "stream_refused")
    assert len(backend.links) == 1


def test_a_connection_that_tells_of_a_client_is_for_that_client(lab):
    def script(connection):
        assert connection.read_until(b"\r\n").startswith(b"PROXY TCP4 127.0.0.1 ")
        TunnelServer(connection, backend).run()

    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    over = Over(lab, "h2", "h2")
    gateway = over.gateway(backend, upstream={"proxy_protocol": "v1"}, **ONE)
    client = over.connection(gateway)
    for websocket in [over.open_on(client) for _ in range(3)]:
        assert_carries(websocket)
    assert len(backend.links) == 1
    assert_carries(over.open(gateway))
    assert len(backend.links) == 2


def test_a_bound_of_connections_is_not_one_of_tunnels(over):
    backend, gateway = fan_in(over, upstream={"tunnels_per_connection": 5, "circuit_breaker": {"max_connections": 1}})
    clients = [over.open(gateway) for _ in range(5)]
    answer = answer_of(over, gateway)
    assert (answer.status, answer.header("sluice-error")) == (503, "upstream_full")
    clients.pop().close()
    gateway.wait_metric(TUNNELS, 4, upstream="app")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1


def test_tunnels_and_their_connection_go_on_through_a_reload(over):
    backend, gateway = fan_in(over)
    old = over.open(gateway)
    listeners = {"listeners": H2} if over.version == "h2" else {}
    both = {"protocol": "h2", "tunnels_per_connection": 2}
    gateway.reload(config_for(backend, upstream=both, **ONE, **listeners))
    new = over.open(gateway)
    assert_carries(old)
    assert_carries(new)
    assert len(backend.links) == 1
    assert_carries(over.open(gateway))
    assert len(backend.links) == 2, "the new bound holds"
    elsewhere = over.lab.keep(TunnelBackend())
    gateway.reload(config_for(elsewhere, upstream=both, route={"websocket": {"drain": {"over": "100ms"}}}, **ONE, **listeners))
    for client in (old, new):
        assert client.read_frame(timeout=20).opcode == CLOSE, "its endpoint is gone"


def test_an_idle_connection_ends(over):
    backend, gateway = fan_in(over, upstream={"pool": {"idle_timeout": "200ms"}})
    client = over.open(gateway)
    time.sleep(0.4)  # longer than that: it is not idle
    assert_carries(client)
    client.close()
    assert backend.links[0].finished.wait(seconds(5))


def test_an_old_connection_takes_no_more(over):
    backend, gateway = fan_in(over, upstream={"pool": {"max_lifetime": "300ms"}})
    old = over.open(gateway)
    wait_until(lambda: any(one.kind == GOAWAY for one in backend.servers[0].frames), "the gateway's GOAWAY")
    assert_carries(over.open(gateway))
    assert_carries(old)
    assert len(backend.links) == 2


def test_a_connection_with_websockets_alone_is_not_idle(over):
    """However long ago there was a request on it."""
    backend, gateway = fan_in(over, upstream={"pool": {"idle_timeout": "200ms"}})
    first = over.open(gateway)
    stays(lambda: backend.links[0].ended is None and not [one for one in backend.servers[0].frames if one.kind == GOAWAY],
          "a connection that takes WebSockets", duration=0.8)
    assert_carries(over.open(gateway))
    assert_carries(first)
    assert [len(server.tunnels) for server in backend.servers] == [2]


def hits_and_misses(gateway):
    return [gateway.metric(f"sluice_upstream_pool_{kind}_total", upstream="app") for kind in ("hits", "misses")]


@pytest.mark.parametrize("limit,misses", [(1, 12), (3, 4), (12, 1)])
def test_each_handshake_is_a_hit_or_a_miss_once(lab, limit, misses):
    """However often it has looked for a connection before it has one."""
    backend = lab.keep(TunnelBackend())
    gateway = lab.gateway(backend, upstream={"protocol": "h2", "tunnels_per_connection": limit}, **ONE)
    clients = [lab.client(gateway) for _ in range(12)]
    for client in clients:
        client.send(upgrade_bytes())
    assert_accepted(clients)
    assert hits_and_misses(gateway) == [12 - misses, misses]


def test_a_handshake_that_has_waited_in_vain_is_a_miss_and_no_hit(lab):
    """The connection that it has waited for has room for one alone."""
    def script(connection):
        connection.wait(go)
        TunnelServer(connection, backend, (MAX_STREAMS, 1)).run()

    go = threading.Event()
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    clients = handshakes_at_once(lab, gateway, 2)
    backend.raw.connection(0)
    assert len(backend.links) == 1
    go.set()
    assert_accepted(clients)
    assert hits_and_misses(gateway) == [0, 2]
