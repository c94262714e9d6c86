"""Handshakes of WebSockets that share HTTP/2 connections to their backend: what becomes of them there, answers, refusals, statuses."""

import contextlib

import pytest

from support.fan_in import OFFERED, TUNNELS, answer_of, assert_logged, fan_in, handshake
from support.fan_in import over  # noqa: F401 (a fixture)
from support.http2_frames import CANCEL, PROTOCOL_ERROR, REFUSED_STREAM, data, headers
from support.raw_backend import echo_websocket
from support.stream import PeerClosed, PeerReset
from support.tunnel_backend import TunnelBackend
from support.waiting import seconds, wait_until
from support.websocket import KEY, TEXT, accept_for, assert_carries, frame_bytes, open_websocket, upgrade_bytes


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


@pytest.mark.parametrize("body", [b"too short", b"longer than that"])
def test_a_refusal_that_does_not_keep_to_its_length(over, body):
    """An extended CONNECT that is refused has an answer like any other request."""
    def script(peer):
        peer.read_request_head()
        peer.server.send(headers(peer.stream, [(":status", "403"), ("content-length", "10")], end=False), data(peer.stream, body, True))
        peer.hang()

    backend, gateway = fan_in(over, script)
    answer = None
    with contextlib.suppress(PeerClosed, PeerReset):  # broken off
        answer = answer_of(over, gateway)
    assert answer is None or answer.status == 502 or answer.reset is not None
    assert gateway.wait_log()["failure"] in ("bad_response", "body_truncated")
    assert backend.connection().finished.wait(seconds(5)) and backend.connection().reset_code == PROTOCOL_ERROR
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    assert over.lab.request(gateway, "GET", "/beside").body == b"/beside"
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


def test_a_refused_handshake_holds_up_no_requests_and_others_a_moment(over):
    """RFC 9113 8.7. There is no other connection to go to, and the WebSocket that is on this one stays."""
    def script(peer):
        if peer.index == 1:
            return peer.reset(REFUSED_STREAM)
        return echo_websocket(peer)

    backend, gateway = fan_in(over, script, upstream={"circuit_breaker": {"max_connections": 1}})
    stays_open = over.open(gateway)
    refused = answer_of(over, gateway)
    assert (refused.status, refused.header("sluice-error")) == (503, "stream_refused")
    assert over.lab.request(gateway, "GET", "/beside").body == b"/beside"
    wait_until(lambda: handshake(over.lab, gateway).status == 101, "a handshake to be taken again")
    assert_carries(stays_open)
    assert len(backend.links) == 1
