"""How WebSockets that share HTTP/2 connections to their backend end: by END_STREAM, resets, GOAWAY, a lost connection, a drain."""

import signal
import threading

import pytest

from support.fan_in import ONE, TUNNELS, fan_in
from support.fan_in import over  # noqa: F401 (a fixture)
from support.http2_frames import (CANCEL, ENABLE_CONNECT_PROTOCOL, GOAWAY, INITIAL_WINDOW, NO_ERROR, PROTOCOL_ERROR, RST_STREAM, goaway,
                                  headers, settings)
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend
from support.waiting import seconds, wait_until
from support.websocket import CLOSE, TEXT, assert_carries, close_payload, frame_bytes, open_websocket


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


def test_a_backend_that_takes_not_even_the_end(over):
    """On a stream whose window is closed END_STREAM has to wait like all else: the stream is cancelled, and does not stay."""
    def script(peer):
        peer.accept_websocket(after=frame_bytes(CLOSE, close_payload(1000)))
        peer.half_close()
        peer.hang()
        ends.append((peer.ended, peer.reset_code))

    ends = []
    _, gateway = fan_in(over, script, (INITIAL_WINDOW, 0), timeouts={"client_write_idle": "300ms"})
    client = over.open(gateway)
    assert client.read_frame().close_code == 1000
    client.half_close()
    client.read_until_closed()
    gateway.wait_metric(TUNNELS, 0, upstream="app")
    wait_until(lambda: ends == [("reset", CANCEL)], lambda: f"the end at the backend: {ends}")
    gateway.wait_metric("sluice_upstream_connections_idle", 1, upstream="app")


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


def test_a_backend_that_takes_no_more_of_what_it_has_announced(over):
    """RFC 8441 3: it must not withdraw SETTINGS_ENABLE_CONNECT_PROTOCOL. That connection ends, and the next one is asked anew."""
    backend, gateway = fan_in(over)
    client = over.open(gateway)
    backend.servers[0].send(settings((ENABLE_CONNECT_PROTOCOL, 0)))
    assert client.read_until_closed() == b""
    assert backend.links[0].finished.wait(seconds(5))
    assert [one.code for one in backend.servers[0].frames if one.kind == GOAWAY] == [PROTOCOL_ERROR]
    assert "failure" in gateway.wait_log(event="tunnel_close")
    assert_carries(over.open(gateway))
    assert len(backend.links) == 2
