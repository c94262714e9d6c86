"""Handshakes that wait for a connection of HTTP/2 to share: until somebody knows whether the endpoint takes WebSockets there (its first
SETTINGS, RFC 8441 3), and then for as many as will find room."""

import threading
import time

import pytest

from support import freeze
from support.fan_in import (ONE, HeldTls, answer_of, answers_of, assert_accepted, h2_or_echo, handshake, handshakes_at_once, requests_at,
                            tls_upstream, url_of)
from support.fan_in import over  # noqa: F401 (a fixture)
from support.http2_backend import tls_context
from support.http2_frames import ENABLE_CONNECT_PROTOCOL, MAX_STREAMS, goaway, settings
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend, TunnelServer
from support.waiting import seconds, wait_until
from support.websocket import assert_carries, open_websocket, upgrade_bytes


def test_handshakes_at_once_wait_for_one_connection(lab, ca):
    """Nobody knows yet what the endpoint speaks, or whether it takes them."""
    backend = lab.keep(TunnelBackend(echo_websocket, tls=tls_context(ca, "h2", "http/1.1")))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    clients = [lab.client(gateway) for _ in range(30)]
    for client in clients:
        client.send(upgrade_bytes())
    for client in clients:
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        assert_carries(client)
    assert len(backend.links) == 1 and backend.links[0].socket.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("limit", [1, 3])
def test_those_who_waited_in_vain_find_another_connection(lab, limit):
    """The first SETTINGS allow fewer than wait for them."""
    backend = lab.keep(TunnelBackend(echo_websocket, (MAX_STREAMS, limit)))
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    clients = [lab.client(gateway) for _ in range(12)]
    for client in clients:
        client.send(upgrade_bytes())
    for client in clients:
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert sorted(len(server.tunnels) for server in backend.servers) == [limit] * (12 // limit)


def test_a_backend_that_never_says_whether_it_takes_them(over):
    def silent(connection):
        connection.read_until_closed(timeout=60)

    backend = over.lab.backend(silent)
    gateway = over.gateway(backend, upstream={"protocol": "h2", "retries": {"attempts": 1}}, timeouts={"connect": "200ms"}, **ONE)
    for count in (1, 2):
        answer = answer_of(over, gateway)
        assert (answer.status, answer.header("sluice-error")) == (504, "connect_timeout")
        assert len(backend.connections) == count, "it is not waited for again"


def test_handshakes_wait_for_the_settings(lab):
    """A request need not."""
    class Late(TunnelServer):
        def send(self, *frames):
            if speak.is_set():
                super().send(*frames)
            else:
                held.extend(frames)

    def script(connection):
        servers.append(Late(connection, backend))
        servers[0].run()

    speak, held, servers = threading.Event(), [], []
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    clients = [lab.client(gateway) for _ in range(3)]
    for client in clients:
        client.send(upgrade_bytes())
    wait_until(lambda: servers, "a connection at the backend")
    plain = lab.client(gateway)
    plain.send(b"GET /beside HTTP/1.1\r\nHost: test.example\r\n\r\n")
    wait_until(lambda: [asked.path for asked in servers[0].requests.values()] == ["/beside"], "the request at the backend")
    wait_until(lambda: len(held) > 2, "its answer")
    speak.set()
    servers[0].send(*held)
    assert plain.response().body == b"/beside"
    for client in clients:
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        assert_carries(client)
    assert len(backend.links) == 1


def test_a_crowd_opens_as_many_as_it_fills_and_those_at_once(lab, ca):
    """However long TLS takes: behind the first, which tells that they are taken, nobody waits for a second to be full."""
    first, others = threading.Event(), threading.Event()
    backend = lab.keep(TunnelBackend(tls=HeldTls(tls_context(ca, "h2", "http/1.1"), first, others)))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca, tunnels_per_connection=10), timeouts={"connect": "15s"}, **ONE)
    clients = handshakes_at_once(lab, gateway, 45)
    backend.raw.connection(0)
    assert len(backend.links) == 1
    first.set()
    wait_until(lambda: len(backend.links) == 5, lambda: f"all connections at once: {len(backend.links)}")
    others.set()
    assert_accepted(clients)
    assert sorted(len(server.tunnels) for server in backend.servers) == [5, 10, 10, 10, 10]
    assert len(backend.links) == 5


# ---- timeouts.connect, for all that is waited for together ----------------------------------------------------------

SHORT = {"upstream": {"protocol": "h2", "retries": {"attempts": 1}}, "timeouts": {"connect": "2s"}, **ONE}


def silent(connection):
    connection.read_until_closed(timeout=60)


def assert_in_time(lab, gateway, go, expected, within):
    """When the first thing that handshakes wait for comes, with `go`, most of their time is over."""
    began = time.monotonic()
    clients = handshakes_at_once(lab, gateway, len(expected))
    go.wait(began + 1.5 - time.monotonic())  # nobody else gives that sign
    go.set()
    assert sorted(answers_of(clients)) == expected
    assert time.monotonic() - began < seconds(within)


def test_tls_and_settings_have_one_time(lab, ca):
    go = threading.Event()
    backend = lab.backend(silent, tls=HeldTls(tls_context(ca, "h2"), go))
    upstream = tls_upstream(ca, **SHORT["upstream"])
    assert_in_time(lab, lab.gateway(url_of(backend), **{**SHORT, "upstream": upstream}), go, [(504, "connect_timeout")], within=3)


def test_who_has_waited_has_as_much_time_to_open_another(lab):
    """The first one has room for one WebSocket alone."""
    def script(connection):
        if connection.index > 0:
            return silent(connection)
        connection.wait(go)
        return TunnelServer(connection, backend, (MAX_STREAMS, 1)).run()

    go = threading.Event()
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    assert_in_time(lab, lab.gateway(backend, **SHORT), go, [(101, None), (504, "connect_timeout")], within=4.5)


def test_who_has_waited_has_as_much_time_to_find_out(lab, ca):
    """That it is to be HTTP/1.1. The first connection fails when most of the time is over."""
    class Slow(HeldTls):
        def wrap_socket(self, sock, **options):
            index = next(self._count)
            if index == 0:
                assert go.wait(seconds(20))
                raise OSError("broken")
            time.sleep(0.4)  # the subject
            return self.context.wrap_socket(sock, **options)

    go = threading.Event()
    backend = lab.backend(h2_or_echo, tls=Slow(tls_context(ca, "h2", "http/1.1")))
    upstream = tls_upstream(ca, retries={"attempts": 1})
    gateway = lab.gateway(url_of(backend), **{**SHORT, "upstream": upstream})
    assert_in_time(lab, gateway, go, [(101, None), (502, "tls_failed")], within=4)


@pytest.mark.deadline(60)
def test_a_stall_ends_with_its_cause(lab):
    """One connection is silent; all that follow are well, and take a fifth of timeouts.connect. Handshakes come twenty a second: those that have
    waited for the first one do not end the others, for which those wait that came later."""
    def script(connection):
        if connection.index == 0:
            return connection.read_until_closed(timeout=60)
        time.sleep(0.2)  # the subject, as are the pauses below
        return TunnelServer(connection, backend).run()

    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    gateway = lab.gateway(backend, **{**SHORT, "timeouts": {"connect": "1s"}})
    clients = []
    for _ in range(80):
        clients.append(lab.client(gateway))
        clients[-1].send(upgrade_bytes())
        time.sleep(0.05)
    assert answers_of(clients)[40:] == [(101, None)] * 40, f"{len(backend.links)} connections"


def test_whoever_opens_a_connection_has_a_place_on_it(lab):
    """Each handshake is a miss of the pool once, where the backend's SETTINGS have room for one on each."""
    backend = lab.keep(TunnelBackend(echo_websocket, (MAX_STREAMS, 1)))
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    clients = handshakes_at_once(lab, gateway, 60)
    assert_accepted(clients)
    assert [gateway.metric(f"sluice_upstream_pool_{kind}_total", upstream="app") for kind in ("hits", "misses")] == [0, 60]


# ---- who waits ------------------------------------------------------------------------------------------------------

def test_who_waits_for_settings_is_pending(lab):
    """circuit_breaker.max_pending bounds them, though their connection is open."""
    def script(connection):
        connection.unread(connection.read_some())
        opened.set()
        connection.wait(go)
        TunnelServer(connection, backend).run()

    opened, go = threading.Event(), threading.Event()
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    gateway = lab.gateway(backend, upstream={"protocol": "h2", "circuit_breaker": {"max_pending": 2}}, timeouts={"connect": "15s"}, **ONE)
    clients = handshakes_at_once(lab, gateway, 2)
    assert opened.wait(seconds(5))
    assert [handshake(lab, gateway).status for _ in range(3)] == [503] * 3
    assert gateway.metric("sluice_upstream_full_total", upstream="app", bound="max_pending") == 3
    go.set()
    assert_accepted(clients)
    assert_accepted(handshakes_at_once(lab, gateway, 2))
    assert len(backend.links) == 1


@pytest.mark.parametrize("wait,connections", [("tls", 2), ("settings", 1)])
def test_who_opens_a_connection_for_all_may_leave(lab, ca, wait, connections):
    """The others have it once it is there, or another one."""
    def script(connection):
        connection.unread(connection.read_some())
        opened.set()
        connection.wait(settings_go)
        TunnelServer(connection, backend).run()

    tls_go, opened, settings_go = threading.Event(), threading.Event(), threading.Event()
    backend = lab.keep(TunnelBackend(tls=HeldTls(tls_context(ca, "h2"), tls_go)))
    backend.raw.script = script
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca), timeouts={"connect": "15s"}, **ONE)
    opener, = handshakes_at_once(lab, gateway, 1)
    backend.raw.connection(0)
    if wait == "settings":
        tls_go.set()
        assert opened.wait(seconds(5))
    others = handshakes_at_once(lab, gateway, 5)
    assert len(backend.links) == 1
    opener.close()
    wait_until(lambda: requests_at(gateway) == 5, "the gateway to notice")
    tls_go.set()
    settings_go.set()
    assert_accepted(others)
    assert len({one.server for one in backend.connections}) == 1, "all on one"
    assert len(backend.links) == connections


def test_those_who_waited_for_a_connection_that_is_lost_have_another(lab):
    """But for the one that has opened it, which is not to be repeated here."""
    def script(connection):
        if connection.index > 0:
            return TunnelServer(connection, backend).run()
        return connection.wait(go)

    go = threading.Event()
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    gateway = lab.gateway(backend, upstream={"protocol": "h2", "retries": {"attempts": 1}}, **ONE)
    opener, = handshakes_at_once(lab, gateway, 1)
    others = handshakes_at_once(lab, gateway, 5)
    go.set()
    assert answers_of([opener]) == [(502, "reset")]
    assert_accepted(others)
    assert len(backend.links) == 2


def test_a_connection_that_is_lost_with_its_first_settings_is_just_that(lab):
    """And not one that allows no streams."""
    def script(connection):
        connection.read_some()  # what is left unread would make a RST of the end
        connection.send(settings((ENABLE_CONNECT_PROTOCOL, 1)) + goaway(0))

    backend = lab.backend(script)
    gateway = lab.gateway(backend, upstream={"protocol": "h2", "retries": {"attempts": 1}}, **ONE)
    response = handshake(lab, gateway)
    assert (response.status, response.header("sluice-error")) == (502, "reset")


def test_handshakes_that_have_not_left_when_there_is_no_room_any_more(lab):
    """A backend may take fewer at any time (RFC 9113 5.1.2). Who waits to be sent goes elsewhere, not behind those that stay for long."""
    backend = lab.keep(TunnelBackend())
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, timeouts={"response_head": "5s"}, **ONE)
    stays, *clients = [lab.client(gateway) for _ in range(4)]
    open_websocket(stays)
    gateway.wait_metric("sluice_connections_open", 4)
    with freeze.stopped(gateway):
        for client in clients:
            client.send(upgrade_bytes())
        backend.servers[0].send(settings((MAX_STREAMS, 1)))
    assert_accepted(clients)
    assert_carries(stays)
    assert len(backend.links) > 1
