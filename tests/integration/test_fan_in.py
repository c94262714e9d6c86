"""WebSockets that share HTTP/2 connections to their backend (RFC 8441), whatever their clients speak. What a tunnel carries and how it ends
is told by the tests of tunnels, which take this way too (support/websocket_way.py); here is what sharing makes of it. What is said where:

    RFC 8441  3    SETTINGS_ENABLE_CONNECT_PROTOCOL        test_handshakes_wait_*, test_http1_*, test_*_where_it_is_not_taken
              4    the extended CONNECT                    test_a_handshake_becomes_a_connect
              5    answers, END_STREAM, RST_STREAM         test_a_refusal_*, test_an_end_in_order, test_resets_*
    RFC 9113  6.8  GOAWAY                                  test_a_goaway_*
"""

import json
import signal
import threading
import time
import zlib

import pytest

from support import real_backends
from support.config_text import config_for
from support.http2_backend import FrameServer, answer_all, tls_context
from support.http2_frames import CANCEL, GOAWAY, MAX_STREAMS, NO_ERROR, REFUSED_STREAM, RST_STREAM, goaway, headers
from support.raw_backend import echo_websocket
from support.stream import PeerClosed
from support.tunnel_backend import TunnelBackend, TunnelServer
from support.waiting import seconds, wait_until
from support.websocket import (BINARY, CLOSE, KEY, TEXT, accept_for, assert_carries, close_payload, frame_bytes, open_websocket,
                               upgrade_bytes)
from support.websocket_way import H2, Over

TUNNELS = "sluice_upstream_http2_tunnels_open"
STREAMS = "sluice_upstream_http2_streams_open"
ONE = {"workers": 1}
MIB = 2**20


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


# ---- few connections ------------------------------------------------------------------------------------------------

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


def test_no_more_than_the_backend_allows(over):
    backend, gateway = fan_in(over, echo_websocket, (MAX_STREAMS, 2))
    clients = [over.open(gateway) for _ in range(5)]
    for client in clients:
        assert_carries(client)
    assert [len(server.tunnels) for server in backend.servers] == [2, 2, 1]


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


# ---- the handshake --------------------------------------------------------------------------------------------------

OFFERED = [("Sec-WebSocket-Protocol", "chat.v2, chat.v1"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
           ("Origin", "https://a.example")]


def test_a_handshake_becomes_a_connect(over):
    def script(peer):
        peer.accept_websocket([("Sec-WebSocket-Protocol", "chat.v1"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
                               ("Set-Cookie", "a=b"), ("Sec-WebSocket-Accept", "not ours")], after=frame_bytes(TEXT, b"early"))
        peer.hang()

    backend, gateway = fan_in(over, script)
    client = over.open(gateway, "/ws/room?token=secret", OFFERED)
    assert client.read_frame().payload == b"early"
    asked = backend.connection().asked
    assert asked.names()[:5] == [":method", ":protocol", ":scheme", ":authority", ":path"]
    assert [asked.header(name) for name in asked.names()[:5]] == ["CONNECT", "websocket", "http", "test.example", "/ws/room?token=secret"]
    for name, value in [("Sec-WebSocket-Version", "13"), ("X-Forwarded-For", "127.0.0.1"), *OFFERED]:
        assert asked.header(name.lower()) == value, name
    assert not {"host", "connection", "upgrade", "content-length", "sec-websocket-key", "sec-websocket-accept"} & set(asked.names())
    for name, value in [("sec-websocket-protocol", "chat.v1"), ("sec-websocket-extensions", "permessage-deflate"), ("set-cookie", "a=b"),
                        ("via", "2.0 sluice")]:
        assert client.opening.header(name) == value, name
    assert client.opening.header("sec-websocket-accept") == (None if over.version == "h2" else accept_for(KEY))
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="accepted")
    assert gateway.wait_log(event="tunnel_open")["status"] == (200 if over.version == "h2" else 101)


def test_a_length_of_nothing_is_left_out(lab):
    backend = lab.keep(TunnelBackend())
    gateway = lab.gateway(backend, upstream={"protocol": "h2"})
    client = lab.client(gateway)
    open_websocket(client, extra=[("Content-Length", "0")])
    assert_carries(client)
    assert "content-length" not in backend.connection().asked.names()


@pytest.mark.parametrize("status", [302, 403, 503])
def test_a_refusal_reaches_the_client_with_its_body(over, status):
    def script(peer):
        peer.read_request_head()
        peer.respond(status, b"not you" * 1000, [("X-Why", "because")])

    backend, gateway = fan_in(over, script)
    answer = answer_of(over, gateway)
    assert (answer.status, bytes(answer.body), answer.header("x-why")) == (status, b"not you" * 1000, "because")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="refused_upstream")
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    assert answer_of(over, gateway).status == status
    assert len(backend.links) == 1


def test_a_refusal_is_repeated_where_retries_say_so(over):
    def script(peer):
        if peer.index == 0:
            peer.read_request_head()
            peer.respond(503)
        else:
            echo_websocket(peer)

    backend, gateway = fan_in(over, script, upstream={"retries": {"on": [503], "budget": "off"}})
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1


@pytest.mark.parametrize("fields,why", [
    ([("Sec-WebSocket-Protocol", "chat.v3")], "unoffered_subprotocol"), ([("Sec-WebSocket-Extensions", "x-mux")], "unoffered_extension")])
def test_an_answer_that_is_wrong(over, fields, why):
    def script(peer):
        if peer.index > 0:
            return echo_websocket(peer)
        peer.accept_websocket(fields)
        peer.hang()
        assert peer.reset_code == CANCEL
        return None

    backend, gateway = fan_in(over, script)
    answer = answer_of(over, gateway, extra=OFFERED)
    assert (answer.status, answer.header("sluice-error")) == (502, "bad_upgrade")
    assert_logged(gateway, f"bad_upgrade ({why})")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1 and backend.connection().finished.wait(seconds(5))


def test_a_backend_that_answers_too_late(over):
    def script(peer):
        if peer.index > 0:
            return echo_websocket(peer)
        peer.hang()
        assert peer.reset_code == CANCEL
        return None

    backend, gateway = fan_in(over, script, timeouts={"response_head": "700ms"})
    answer = answer_of(over, gateway)
    assert (answer.status, answer.header("sluice-error")) == (504, "response_timeout")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1


def test_a_client_that_leaves_cancels_its_handshake_alone(over):
    def script(peer):
        if peer.index == 0:
            peer.hang()
            left.append(peer.reset_code)
        else:
            echo_websocket(peer)

    left = []
    backend, gateway = fan_in(over, script)
    if over.version == "h2":
        websocket = over.begin(over.connection(gateway))
        backend.connection()
        websocket.close()
    else:
        client = over.lab.client(gateway)
        client.send(upgrade_bytes())
        backend.connection()
        client.close()
    wait_until(lambda: left == [CANCEL], "the reset at the backend")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1


def test_a_stream_that_is_refused_is_asked_for_elsewhere(over):
    def script(peer):
        if peer.index == 0:
            peer.reset(REFUSED_STREAM)
        else:
            echo_websocket(peer)

    _, gateway = fan_in(over, script)
    assert_carries(over.open(gateway))
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 1


def test_a_kept_connection_that_has_died_costs_no_handshake(over):
    """The backend leaves as the second handshake comes."""
    def script(peer):
        if peer.index == 1:
            peer.server.connection.abort()
            raise PeerClosed
        echo_websocket(peer)

    backend, gateway = fan_in(over, script)
    first = over.open(gateway)
    assert_carries(first)
    assert_carries(over.open(gateway))
    assert len(backend.links) == 2


# ---- where it is not taken ------------------------------------------------------------------------------------------

def h2_or_echo(connection):
    """By what was agreed on. HTTP/2 without extended CONNECT."""
    connection.agreed = connection.socket.selected_alpn_protocol()
    if connection.socket.selected_alpn_protocol() == "h2":
        return answer_all(FrameServer(connection))
    return echo_websocket(connection)


def protocols_of(backend):
    return [one.agreed for one in backend.connections]


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


# ---- ends -----------------------------------------------------------------------------------------------------------

def test_an_end_in_order(over):
    """The client says Close, then its backend: its stream ends by END_STREAM, and nothing is cancelled."""
    def script(peer):
        peer.accept_websocket()
        frame = peer.read_frame()
        peer.send_frame(CLOSE, frame.payload)
        peer.hang()
        ends.append((peer.ended, peer.reset_code))

    ends = []
    _, gateway = fan_in(over, script)
    client = over.open(gateway)
    client.send_frame(CLOSE, close_payload(1000, b"bye"))
    assert client.read_frame().close_code == 1000
    client.half_close()
    wait_until(lambda: ends == [("fin", None)], lambda: f"the end at the backend: {ends}")
    client.read_until_closed()
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    line = gateway.wait_log(event="tunnel_close")
    assert line["tunnel"]["close_code"] == 1000 and "failure" not in line


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
def test_a_backend_that_resets_its_stream_behind_both_closes(over, code):
    def script(peer):
        peer.accept_websocket()
        peer.send_frame(CLOSE, peer.read_frame().payload)
        peer.reset(code)

    _, gateway = fan_in(over, script)
    client = over.open(gateway)
    client.send_frame(CLOSE, close_payload(1000))
    assert client.read_frame().close_code == 1000
    client.read_until_closed()
    line = gateway.wait_log(event="tunnel_close")
    assert line["tunnel"]["close_code"] == 1000 and "failure" not in line


def test_resets_go_both_ways(over):
    def script(peer):
        peer.accept_websocket()
        if peer.index == 0:
            peer.hang()
            ends.append((peer.ended, peer.reset_code))
        else:
            peer.read_frame()
            peer.reset()

    ends = []
    backend, gateway = fan_in(over, script)
    over.open(gateway).reset()
    wait_until(lambda: ends == [("reset", CANCEL)], lambda: f"the reset at the backend: {ends}")
    client = over.open(gateway)
    client.send_frame(TEXT, b"go")
    client.read_until_closed()
    assert client.received[-2:] != close_payload(1000)
    def lines():
        return [one for one in gateway.access_log() if one["event"] == "tunnel_close" and one["tunnel"]["close_initiator"] == "upstream"]

    line, = wait_until(lines, "the line of the tunnel that its backend reset")
    assert "CANCEL" in line["failure"]
    assert len(backend.links) == 1


def test_a_tunnel_that_ends_with_its_answer(over):
    """HEADERS with END_STREAM, behind which the backend has said all."""
    def script(peer):
        peer.read_request_head()
        peer.answer(200, end=True)
        assert peer.read_frame().payload == b"heard"
        heard.set()

    heard = threading.Event()
    _, gateway = fan_in(over, script)
    client = over.open(gateway)
    assert client.read_until_closed() == b""
    client.send_frame(TEXT, b"heard")
    assert heard.wait(seconds(5))


def test_trailers_end_a_tunnel(over):
    """RFC 9113 8.5: none may come there."""
    def script(peer):
        peer.accept_websocket()
        peer.read_frame()
        peer.server.send(headers(peer.stream, [("x-sum", "1")]))
        peer.hang()

    _, gateway = fan_in(over, script)
    client = over.open(gateway)
    client.send_frame(TEXT, b"go")
    client.read_until_closed()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def test_a_goaway_lets_tunnels_go_on_and_new_ones_begin_elsewhere(over):
    backend, gateway = fan_in(over)
    old = [over.open(gateway) for _ in range(2)]
    first = backend.servers[0]
    first.send(goaway(max(first.tunnels)))
    gateway.wait_metric("sluice_upstream_http2_tunnels_open", 2)
    new = over.open(gateway)
    for client in (*old, new):
        assert_carries(client)
    wait_until(lambda: len(backend.links) == 2, "another connection")
    for client in old:
        client.send_frame(CLOSE, close_payload(1000))
        assert client.read_frame().close_code == 1000
        client.half_close()
        client.read_until_closed()
    assert backend.links[0].finished.wait(seconds(5)), "it ends with its last tunnel"
    assert_carries(new)


def test_a_goaway_refuses_handshakes_that_it_does_not_count(lab):
    def script(peer):
        if peer.index == 1:
            peer.server.send(goaway(1))
            peer.hang()
        else:
            echo_websocket(peer)

    backend = lab.keep(TunnelBackend(script))
    gateway = lab.gateway(backend, upstream={"protocol": "h2"}, **ONE)
    clients = [lab.client(gateway) for _ in range(2)]
    for client in clients:
        open_websocket(client)
        assert_carries(client)
    assert len(backend.links) == 2


def test_a_lost_connection_ends_its_tunnels_and_no_others(over):
    backend, gateway = fan_in(over, upstream={"tunnels_per_connection": 3})
    clients = [over.open(gateway) for _ in range(4)]
    lost, stays = clients[:3], clients[3]
    backend.links[0].abort()
    for client in lost:
        assert client.read_until_closed() == b"", "no Close: the backend has said none"
    gateway.wait_log(3, event="tunnel_close")
    for line in [one for one in gateway.access_log() if one["event"] == "tunnel_close"]:
        assert line["tunnel"]["close_initiator"] == "upstream" and line["failure"]
    assert_carries(stays)
    gateway.wait_metric(TUNNELS, 1, upstream="app")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 2


def test_a_drain_ends_all_in_order(over):
    def script(peer):
        peer.accept_websocket()
        frame = peer.read_frame(timeout=20)
        peer.send_frame(CLOSE, frame.payload)
        peer.hang()
        ends.append((frame.close_code, peer.ended))

    ends = []
    backend, gateway = fan_in(over, script, timeouts={"drain": "5s"}, route={"websocket": {"drain": {"over": "200ms"}}})
    clients = [over.open(gateway) for _ in range(5)]
    gateway.signal(signal.SIGTERM)
    for client in clients:
        assert client.read_frame().close_code == 1001
        client.send_frame(CLOSE, close_payload(1001))
    for client in clients:
        client.read_until_closed()
    assert gateway.wait_exit(timeout=5) == 0
    wait_until(lambda: ends == [(1001, "fin")] * 5, lambda: f"the ends at the backend: {ends}")
    assert [one.code for one in backend.servers[0].frames if one.kind == GOAWAY] == [NO_ERROR]
    assert not [one for one in backend.servers[0].frames if one.kind == RST_STREAM and one.code != NO_ERROR]


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


# ---- side by side ---------------------------------------------------------------------------------------------------

def assert_prompt(clients):
    times = []
    for turn in range(3):
        for at, client in enumerate(clients):
            begin = time.monotonic()
            client.send_frame(TEXT, b"%d of %d" % (at, turn))
            assert client.read_frame().payload == b"%d of %d" % (at, turn)
            times.append(time.monotonic() - begin)
    assert sorted(times)[len(times) * 99 // 100] < seconds(0.25)


@pytest.mark.deadline(60)
def test_a_backend_that_does_not_read_one_of_a_hundred(over):
    def script(peer):
        if peer.index == 0:
            peer.accept_websocket()
            peer.wait(gone)
            peer.hang()
        else:
            echo_websocket(peer)

    gone = threading.Event()
    backend, gateway = fan_in(over, script)
    stalled, *others = [over.open(gateway) for _ in range(100)]
    block = frame_bytes(BINARY, bytes(MIB), mask=True)
    assert 65535 <= stalled.send_until_blocked(block, 100 * MIB) < 20 * MIB
    gateway.wait_metric("sluice_websocket_pauses_total", 1, route="all", direction="to_upstream")
    assert_prompt(others)
    assert len(backend.links) == 1 and backend.connections[0].stream == 1
    gone.set()


@pytest.mark.deadline(60)
def test_a_client_that_does_not_read_one_of_a_hundred(over):
    def script(peer):
        if peer.index > 0:
            return echo_websocket(peer)
        peer.accept_websocket()
        block = frame_bytes(BINARY, bytes(MIB))
        sent.append(peer.send_until_blocked(block, 100 * MIB))
        peer.send(block[sent[0] % len(block):])
        return peer.hang()

    sent = []
    backend, gateway = fan_in(over, script)
    stalled = over.open(gateway, slow=True)
    others = [over.open(gateway) for _ in range(99)]
    wait_until(lambda: sent, "the backend to stop", 20)
    assert sent[0] < 20 * MIB
    assert_prompt(others)
    assert len(backend.links) == 1
    assert len(stalled.read_frame(timeout=20).payload) == MIB


def test_large_messages_both_ways_at_once(over):
    _, gateway = fan_in(over)
    clients = [over.open(gateway) for _ in range(5)]
    payloads = [bytes([number]) * MIB for number in range(5)]
    for client, payload in zip(clients, payloads):
        sender = threading.Thread(target=client.send_frame, args=(BINARY, payload)) if over.version == "http/1.1" else None
        if sender is None:
            client.send_frame(BINARY, payload)
        else:
            sender.start()
    for client, payload in zip(clients, payloads):
        assert client.read_frame(timeout=20).payload == payload


def test_a_bound_of_connections_is_not_one_of_tunnels(over):
    backend, gateway = fan_in(over, upstream={"tunnels_per_connection": 5, "circuit_breaker": {"max_connections": 1}})
    clients = [over.open(gateway) for _ in range(5)]
    answer = answer_of(over, gateway)
    assert (answer.status, answer.header("sluice-error")) == (503, "upstream_full")
    clients.pop().close()
    gateway.wait_metric(TUNNELS, 4, upstream="app")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 1


# ---- what else the gateway does with tunnels ------------------------------------------------------------------------

def test_terminated_websockets(over):
    """Deflated towards the client, plain and with another key's worth of masks towards the backend."""
    backend, gateway = fan_in(over, route={"websocket": {"mode": "terminate", "compression": "offload", "subprotocols": ["chat.v1"]}})
    client = over.open(gateway, extra=OFFERED)
    assert client.opening.header("sec-websocket-extensions").startswith("permessage-deflate")
    assert client.opening.header("sec-websocket-protocol") == "chat.v1"
    deflate = zlib.compressobj(wbits=-15)
    payload = b"a word, a word " * 100
    packed = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    client.send_frame(TEXT, packed[:-4], rsv=4)
    frame = client.read_frame()
    assert frame.rsv == 4
    assert zlib.decompressobj(wbits=-15).decompress(frame.payload + b"\x00\x00\xff\xff") == payload
    asked = backend.connection().asked
    assert asked.header("sec-websocket-extensions") is None and asked.header("sec-websocket-protocol") == "chat.v1"
    client.send_frame(CLOSE, close_payload(1000))
    assert client.read_frame().close_code == 1000


def test_they_are_listed_and_can_be_closed(over):
    _, gateway = fan_in(over)
    clients = [over.open(gateway, f"/ws/{number}") for number in range(3)]
    listed = json.loads(gateway.admin("/sockets").body)
    assert listed["matched"] == 3
    assert gateway.admin("/sockets?all=true&code=1008&over=0s", [("X-Sluice-Admin", "1")], method="DELETE").status == 200
    for client in clients:
        assert client.read_frame().close_code == 1008


@pytest.mark.deadline(60)
def test_an_endpoint_that_is_out_loses_its_tunnels(lab):
    backend, other = lab.keep(TunnelBackend()), lab.keep(TunnelBackend())
    gateway = lab.gateway(backend, other, upstream={
        "protocol": "h2", "on_unhealthy": "close",
        "health_check": {"kind": "tcp", "interval": "50ms", "timeout": "500ms", "unhealthy_after": 1}},
        route={"websocket": {"drain": {"over": "100ms"}}}, **ONE)
    clients = [lab.client(gateway) for _ in range(4)]
    for client in clients:
        open_websocket(client)
    assert [len(one.connections) for one in (backend, other)] == [2, 2]
    backend.raw.stop_listening()
    closed = []
    for client in clients:
        try:
            frame = client.read_frame(timeout=2)
            closed.append(frame.opcode)
        except AssertionError:
            assert_carries(client)
    assert closed == [CLOSE, CLOSE]


# ---- Node -----------------------------------------------------------------------------------------------------------

@pytest.fixture(params=["clear", "tls"])
def node(request, lab, ca):
    """A backend on the `ws` package, its URL, and how it is reached."""
    if request.param == "clear":
        backend = lab.real(real_backends.node_http2)
        return backend, backend.url, {"protocol": "h2"}
    backend = lab.real(real_backends.node_http2, ca.issue("localhost"))
    return backend, f"https://localhost:{backend.port}", tls_upstream(ca)


def connections_of(node):
    return node[0].output().count("connection")


@pytest.mark.deadline(60)
def test_node_takes_a_hundred_on_one_connection(lab, over, node):
    gateway = over.gateway(node[1], upstream=node[2], **ONE)
    clients = [over.open(gateway, "/socket") for _ in range(100)]
    for client in clients:
        assert_carries(client)
    assert lab.request(gateway, "GET", "/hello").body == b'{"hello":"world"}'
    assert connections_of(node) == 1
    for code, client in enumerate(clients, 3000):
        client.send_frame(CLOSE, close_payload(code, b"bye"))
        assert client.read_frame().payload == close_payload(code, b"bye")
        client.half_close()
        client.read_until_closed()
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    closes = [one for one in gateway.access_log() if one["event"] == "tunnel_close"]
    assert [one for one in closes if "failure" in one] == []


def test_node_gets_large_messages_whole(over, node):
    gateway = over.gateway(node[1], upstream=node[2], **ONE)
    client = over.open(gateway, "/socket")
    for size in (0, 1, 65536, 3 * MIB):
        client.send_frame(BINARY, b"z" * size)
        assert client.read_frame(timeout=20).payload == b"z" * size


def test_node_refuses(over, node):
    gateway = over.gateway(node[1], upstream=node[2], **ONE)
    answer = answer_of(over, gateway, "/reject/403")
    assert (answer.status, bytes(answer.body)) == (403, b"no")


def test_node_drops_a_websocket_without_a_close(over, node):
    gateway = over.gateway(node[1], upstream=node[2], **ONE)
    other, client = over.open(gateway, "/socket"), over.open(gateway, "/terminate")
    client.send_frame(TEXT, b"go")
    assert client.read_until_closed() == b""
    assert_carries(other)
    assert connections_of(node) == 1
