"""WebSockets to endpoints that do not take them over HTTP/2: HTTP/1.1 where there is a way, another endpoint where there is one, and
what is remembered."""

import socket
import ssl
import threading

import pytest

from support.config_text import config_for
from support.fan_in import (ONE, TUNNELS, HeldTls, answer_of, assert_accepted, assert_logged, fan_in, h2_or_echo, handshake,
                            handshakes_at_once, protocols_of, tls_upstream, url_of)
from support.fan_in import over  # noqa: F401 (a fixture)
from support.http2_backend import FrameServer, answer_all, tls_context
from support.http2_frames import HTTP_1_1_REQUIRED, SETTINGS, settings
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend, TunnelServer
from support.waiting import seconds, wait_until
from support.websocket import CLOSE, assert_carries, close_payload
from support.websocket_way import H2


@pytest.mark.parametrize("protocol", ["auto", "h2"])
def test_http1_is_spoken_where_it_is_not_taken(lab, ca, over, protocol):
    """What one connection has said holds for those that follow."""
    backend = lab.backend(h2_or_echo, tls=tls_context(ca, "h2", "http/1.1"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca, protocol=protocol), **ONE)
    clients = [over.open(gateway) for _ in range(3)]
    assert lab.request(gateway).status == 200
    for client in clients:
        assert_carries(client)
    assert protocols_of(backend) == ["h2", "http/1.1", "http/1.1", "http/1.1"]
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    clients[0].send_frame(CLOSE, close_payload(1000))
    assert clients[0].read_frame().close_code == 1000
    spoken = {"request": "HTTP/2.0", "tunnel_open": "HTTP/1.1", "tunnel_close": "HTTP/1.1"}
    gateway.wait_log(event="tunnel_close")
    assert {line["event"]: line["upstream_version"] for line in gateway.access_log()} == spoken


def test_a_request_tells_as_well(lab, ca, over):
    backend = lab.backend(h2_or_echo, tls=tls_context(ca, "h2", "http/1.1"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    assert lab.request(gateway).status == 200
    assert_carries(over.open(gateway))
    assert protocols_of(backend) == ["h2", "http/1.1"]


def test_one_connection_is_enough_where_http1_is_agreed_on(lab, ca, over):
    backend = lab.backend(echo_websocket, tls=tls_context(ca, "http/1.1"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    for count in (1, 2):
        assert_carries(over.open(gateway))
        assert len(backend.connections) == count


def test_the_connection_that_told_gives_up_its_place(lab, ca, over):
    backend = lab.backend(h2_or_echo, tls=tls_context(ca, "h2", "http/1.1"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca, circuit_breaker={"max_connections": 1}), **ONE)
    assert_carries(over.open(gateway))
    assert protocols_of(backend) == ["h2", "http/1.1"]
    assert backend.connections[0].finished.wait(seconds(5))
    assert gateway.metric("sluice_upstream_connections_open", upstream="app") == 1


def test_without_tls_nothing_is_left_where_it_is_not_taken(lab, over):
    backend = lab.backend(lambda connection: answer_all(FrameServer(connection)))
    gateway = over.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    for number in (1, 2):
        answer = answer_of(over, gateway)
        assert (answer.status, answer.header("sluice-error")) == (502, "bad_upgrade")
        assert_logged(gateway, "no WebSockets over HTTP/2 (RFC 8441), and HTTP/1.1 is ruled out by protocol: h2 without TLS)", number)
    assert lab.request(gateway).status == 200
    assert len(backend.connections) == 1


@pytest.mark.parametrize("protocol", ["auto", "h2"])
def test_nor_where_the_backend_knows_no_http1(lab, ca, over, protocol):
    """It says so in TLS, or by its silence."""
    def script(connection):
        if connection.socket.selected_alpn_protocol() == "h2":
            answer_all(FrameServer(connection))

    backend = lab.backend(script, tls=tls_context(ca, "h2"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca, protocol=protocol), **ONE)
    answer = answer_of(over, gateway)
    assert (answer.status, answer.header("sluice-error")) == (502, "bad_upgrade")
    assert_logged(gateway, "no WebSockets over HTTP/2 (RFC 8441), and HTTP/1.1 failed: ")
    assert lab.request(gateway).status == 200


@pytest.mark.parametrize("version,early", [("TLSv1_2", True), ("TLSv1_3", False)], ids=["settings with TLS", "settings later"])
def test_a_crowd_asks_once_where_it_is_not_taken(lab, ca, version, early):
    """All wait for the one connection that tells, and have HTTP/1.1 then."""
    def script(connection):
        if early and connection.socket.selected_alpn_protocol() == "h2":
            connection.send(settings())
        h2_or_echo(connection)

    go = threading.Event()
    context = tls_context(ca, "h2", "http/1.1")
    context.maximum_version = ssl.TLSVersion[version]
    backend = lab.backend(script, tls=HeldTls(context, go))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca), timeouts={"connect": "15s"}, **ONE)
    clients = handshakes_at_once(lab, gateway, 120)
    go.set()
    assert_accepted(clients)
    assert sorted(protocols_of(backend)) == ["h2"] + ["http/1.1"] * 120


@pytest.mark.parametrize("first_connection", ["stays", "is gone"])
def test_that_it_is_not_taken_is_known_after_a_reload(lab, ca, over, first_connection):
    def script(connection):
        connection.agreed = connection.socket.selected_alpn_protocol()
        if connection.agreed == "h2" and first_connection == "is gone":
            server = FrameServer(connection)
            server.wait_frame(SETTINGS)
            connection.wait(known)
        else:
            h2_or_echo(connection)

    known = threading.Event()
    backend = lab.backend(script, tls=tls_context(ca, "h2", "http/1.1"))
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    assert_carries(over.open(gateway))
    if first_connection == "is gone":
        known.set()
        gateway.wait_metric("sluice_upstream_connections_open", 1, upstream="app")
    listeners = {"listeners": H2} if over.version == "h2" else {}
    gateway.reload(config_for(url_of(backend), upstream=tls_upstream(ca, tunnels_per_connection=7), **ONE, **listeners))
    assert_carries(over.open(gateway))
    assert protocols_of(backend) == ["h2", "http/1.1", "http/1.1"]


# ---- a refusal of HTTP/2 for this alone (RFC 9113 7) ----------------------------------------------------------------

def wants_http1(peer):
    peer.reset(HTTP_1_1_REQUIRED)


def test_http_1_1_required_is_heeded_and_remembered(lab, ca, over):
    def script(connection):
        connection.agreed = connection.socket.selected_alpn_protocol()
        if connection.agreed == "h2":
            return TunnelServer(connection, backend).run()
        return echo_websocket(connection)

    backend = lab.keep(TunnelBackend(wants_http1, tls=tls_context(ca, "h2", "http/1.1")))
    backend.raw.script = script
    gateway = over.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    for asked_with in (["h2", "http/1.1"], ["h2", "http/1.1", "http/1.1"]):
        assert_carries(over.open(gateway))
        assert protocols_of(backend.raw) == asked_with
    assert len(backend.connections) == 1, "it was asked once over HTTP/2"
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 1
    assert lab.request(gateway, "GET", "/beside").body == b"/beside", "requests stay on HTTP/2"


def test_http_1_1_required_where_there_is_none(over):
    backend, gateway = fan_in(over, wants_http1)
    for number in (1, 2):
        answer = answer_of(over, gateway)
        assert (answer.status, answer.header("sluice-error")) == (502, "bad_upgrade")
        assert_logged(gateway, "HTTP/1.1 is ruled out by protocol: h2 without TLS)", number)
    assert len(backend.connections) == len(backend.links) == 1, "it was asked once"
    assert over.lab.request(gateway, "GET", "/beside").body == b"/beside"


# ---- among several endpoints ----------------------------------------------------------------------------------------

class H2Alone:
    """Stands where a RawBackend has its context. To whoever does not offer h2 it says so (RFC 7301 3.2), which Python's ssl cannot."""

    NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0303 0002 02 78")

    def __init__(self, context):
        self.context = context

    def wrap_socket(self, sock, **options):
        if b"\x02h2" in sock.recv(65536, socket.MSG_PEEK):
            return self.context.wrap_socket(sock, **options)
        sock.recv(65536)
        sock.sendall(self.NO_APPLICATION_PROTOCOL)
        raise OSError("no_application_protocol")


def answer_all_h2(connection):
    answer_all(FrameServer(connection))


def assert_well(lab, gateway, backend):
    """It has its share of requests, since it is not ejected."""
    before = len(backend.requests)
    assert [lab.request(gateway).status for _ in range(4)] == [200] * 4
    assert len(backend.requests) == before + 2
    assert gateway.metric("sluice_upstream_ejections_total", upstream="app") == 0


def test_endpoints_that_know_no_http1_are_well(lab, ca):
    """They say so in TLS. It is no failure of theirs that WebSockets have no way to them."""
    backends = [lab.backend(answer_all_h2, tls=H2Alone(tls_context(ca, "h2"))) for _ in range(2)]
    gateway = lab.gateway(*map(url_of, backends), upstream=tls_upstream(ca, outlier={"consecutive_failures": 2}), **ONE)
    for _ in range(6):
        response = handshake(lab, gateway)
        assert (response.status, response.header("sluice-error")) == (502, "bad_upgrade")
    wait_until(lambda: "and HTTP/1.1 failed: " in gateway.stderr(), "why, in the log")
    assert_well(lab, gateway, backends[0])


@pytest.mark.parametrize("kind", ["clear", "tls"])
def test_an_endpoint_without_a_way_for_them_leaves_them_to_another(lab, ca, kind):
    """And is well."""
    if kind == "clear":
        takes, other = lab.keep(TunnelBackend()), lab.backend(answer_all_h2)
        gateway = lab.gateway(takes, other, upstream={"protocol": "h2", "outlier": {"consecutive_failures": 2}}, **ONE)
    else:
        takes = lab.keep(TunnelBackend(tls=tls_context(ca, "h2")))
        other = lab.backend(answer_all_h2, tls=H2Alone(tls_context(ca, "h2")))
        upstream = tls_upstream(ca, outlier={"consecutive_failures": 2}, retries={"budget": "off"})
        gateway = lab.gateway(url_of(takes), url_of(other), upstream=upstream, **ONE)
    assert [handshake(lab, gateway).status for _ in range(10)] == [101] * 10
    assert len(takes.connections) == 10
    assert_well(lab, gateway, other)


class Breaking:
    """Stands where a RawBackend has its context. Once `broken`, it has something else to say to a ClientHello."""

    def __init__(self, context, say):
        self.context, self.say, self.broken = context, say, threading.Event()

    def wrap_socket(self, sock, **options):
        if not self.broken.is_set():
            return self.context.wrap_socket(sock, **options)
        if self.say is None:
            sock.recv(1)  # what is left unread makes a RST of the end
        else:
            sock.recv(65536)
            sock.sendall(self.say)
        raise OSError("broken")


@pytest.mark.parametrize("say", [None, b"HTTP/1.1 503 Service Unavailable\r\n\r\n"], ids=["a reset", "plain text"])
def test_an_endpoint_that_breaks_is_broken_and_no_stranger_to_http1(lab, ca, say):
    """Where WebSockets have HTTP/1.1 since they are not taken over HTTP/2: another endpoint gets them, and this one is ejected."""
    breaking = Breaking(tls_context(ca, "h2", "http/1.1"), say)
    broken, well = lab.backend(h2_or_echo, tls=breaking), lab.backend(h2_or_echo, tls=tls_context(ca, "h2", "http/1.1"))
    upstream = tls_upstream(ca, outlier={"consecutive_failures": 3}, retries={"budget": "off"})
    gateway = lab.gateway(url_of(broken), url_of(well), upstream=upstream, **ONE)
    assert [handshake(lab, gateway).status for _ in range(4)] == [101] * 4
    assert protocols_of(broken) == protocols_of(well) == ["h2", "http/1.1", "http/1.1"]
    breaking.broken.set()
    assert [handshake(lab, gateway).status for _ in range(12)] == [101] * 12
    gateway.wait_metric("sluice_upstream_ejections_total", 1, upstream="app")
    assert len(broken.connections) == 3 + 3, "as many as it takes to eject it"
