"""The life of a tunnel: splits, half-close, limits, idle time, the end of the process."""

import signal
import threading

import pytest

from support.http_message import read_response
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import (BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame_bytes, open_websocket, read_frame,
                               upgrade_bytes)
from support.websocket_way import over  # noqa: F401 (a fixture)

MIB = 2**20


def tunnel(over, script=echo_websocket, **config):
    backend = over.backend(script)
    gateway = over.gateway(backend, **config)
    return backend, gateway, over.open(gateway)


def websocket_rules(**rules):
    return {"websocket": rules}


def test_frames_in_single_bytes(over):
    _, gateway, client = tunnel(over)
    for frame in (frame_bytes(TEXT, b"x" * 130, mask=True), frame_bytes(PING, b"p", mask=True)):
        for byte in frame:
            client.send(bytes([byte]))
    assert client.read_frame().payload == b"x" * 130
    assert client.read_frame().opcode == PONG
    gateway.wait_metric("sluice_websocket_frames_total", 2, direction="to_upstream")


def test_many_frames_in_one_segment(over):
    _, gateway, client = tunnel(over)
    client.send(b"".join(frame_bytes(TEXT, b"%d" % number, mask=True) for number in range(1000)))
    assert [client.read_frame().payload for _ in range(1000)] == [b"%d" % number for number in range(1000)]
    gateway.wait_metric("sluice_websocket_messages_total", 1000, direction="to_client")


def test_part_of_a_frame_is_passed_on_at_once(over):
    """The gateway walks frames, it does not collect them."""
    backend, _, client = tunnel(over, lambda peer: (peer.accept_websocket(), peer.hang()))
    frame = frame_bytes(BINARY, bytes(1000), mask=True)
    client.send(frame[:500])
    wait_until(lambda: backend.connection().received.endswith(frame[:500]), "the first half at the backend", 1)


@pytest.mark.parametrize("first", ["client", "backend"])
def test_half_close(over, first):
    """After one side's FIN the other direction still flows."""
    sign = threading.Event()

    def script(peer):
        peer.accept_websocket()
        if first == "backend":
            peer.half_close()
            assert peer.read_frame().payload == b"still here"
        else:
            assert peer.read_until_closed() == b""
            peer.wait(sign)
            peer.send_frame(TEXT, b"still here")

    _, gateway, client = tunnel(over, script)
    if first == "client":
        client.half_close()
        client.expect_silence(0.1)
        sign.set()
        assert client.read_frame().payload == b"still here"
    else:
        assert client.read_until_closed() == b""
        client.send_frame(TEXT, b"still here")
        client.half_close()
    client.read_until_closed()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("who", ["client", "backend"])
def test_a_reset_ends_the_tunnel_on_the_other_side(over, who):
    sign = threading.Event()

    def script(peer):
        peer.accept_websocket()
        if who == "backend":
            peer.wait(sign)
            peer.reset()
        else:
            peer.hang()

    backend, gateway, client = tunnel(over, script)
    gateway.wait_metric("sluice_websocket_tunnels_open", 1)
    sign.set()
    if who == "client":
        client.reset()
    else:
        client.read_until_closed()
    wait_until(backend.connection().finished.is_set, "the backend's end")
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    initiator = "client" if who == "client" else "upstream"
    assert gateway.metric("sluice_websocket_closes_total", route="all", initiator=initiator, code="none") == 1
    line = gateway.wait_log(event="tunnel_close")
    assert line["tunnel"]["close_initiator"] == initiator


def test_a_slow_reader_slows_the_tunnel(over):
    sent = []

    def script(peer):
        peer.accept_websocket()
        frame = frame_bytes(BINARY, bytes(MIB))
        sent.append(peer.send_until_blocked(frame, 10 * len(frame), quiet=0.3))
        peer.send(frame[sent[0]:] if sent[0] < len(frame) else b"")
        peer.hang()

    gateway = over.gateway(over.backend(script))
    client = over.open(gateway, slow=True)
    before = gateway.rss_mib()
    wait_until(lambda: sent, "the backend to stop")
    assert gateway.rss_mib() - before < 8
    assert client.read_frame().payload == bytes(MIB)


def test_idle_timeout(over):
    """Pings either way do not count as life; data does."""
    backend, gateway, client = tunnel(over, route=websocket_rules(idle_timeout="400ms"))
    for _ in range(3):
        client.send_frame(TEXT, b"alive")
        assert client.read_frame().payload == b"alive"
        client.expect_silence(0.25)
    while True:
        client.send_frame(PING)
        frame = client.read_frame(timeout=2)
        if frame.opcode == CLOSE:
            break
    assert frame.close_code == 1001
    client.send_frame(CLOSE, frame.payload)
    client.expect_closed()
    wait_until(backend.connection().finished.is_set, "the backend's end")
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    assert gateway.metric("sluice_websocket_closes_total", initiator="gateway") == 1


def test_keepalive_timeouts_do_not_touch_tunnels(over):
    phases = ("keepalive_idle", "request_head", "request_body_idle", "response_head", "response_body_idle")
    _, _, client = tunnel(over, timeouts={phase: "100ms" for phase in phases})
    client.expect_silence(0.5)
    client.send_frame(TEXT, b"alive")
    assert client.read_frame().payload == b"alive"


def test_a_client_that_takes_no_bytes_is_cut(over):
    def script(peer):
        peer.accept_websocket()
        frame = frame_bytes(BINARY, bytes(MIB))
        while True:
            peer.send(frame)

    backend = over.backend(script)
    gateway = over.gateway(backend, timeouts={"client_write_idle": "300ms"})
    over.open(gateway, slow=True)
    wait_until(backend.connection().finished.is_set, "the tunnel to be cut", 10)
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="client_write")


def test_max_tunnels_is_for_the_whole_process(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, workers=2, route=websocket_rules(max_tunnels=3))
    clients = [lab.client(gateway) for _ in range(3)]
    for client in clients:
        open_websocket(client)
    for _ in range(4):
        surplus = lab.client(gateway)
        surplus.send(upgrade_bytes())
        response = read_response(surplus)
        assert response.status == 503 and response.header("Sluice-Error")
    assert len(backend.connections) == 3
    gateway.wait_metric("sluice_websocket_upgrades_total", 4, route="all", result="rejected_limit")
    clients.pop().close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 2)
    open_websocket(lab.client(gateway))


def test_disabled_upgrades_are_403_and_plain_requests_pass(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, route=websocket_rules(enabled=False))
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    assert read_response(client).status == 403
    assert backend.connections == []
    assert lab.request(gateway).status == 200
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="rejected_route")


def test_sigterm_closes_both_sides_with_1001(over):
    seen = []

    def script(peer):
        peer.accept_websocket()
        frame = peer.read_frame(timeout=20)
        seen.append(frame)
        peer.send_frame(CLOSE, frame.payload)
        peer.hang()

    _, gateway, client = tunnel(over, script, timeouts={"drain": "5s"})
    gateway.signal(signal.SIGTERM)
    frame = client.read_frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
    client.send_frame(CLOSE, close_payload(1001))
    client.expect_closed()
    assert gateway.wait_exit(timeout=3) == 0, "both answered: no need to wait for the drain's end"
    assert (seen[0].opcode, seen[0].close_code) == (CLOSE, 1001)


def test_sigterm_waits_for_the_frame_boundary(over):
    """In the middle of frames of both directions: each is completed before the Close comes."""
    halves = threading.Event()
    seen = []

    def script(peer):
        peer.accept_websocket()
        outgoing = frame_bytes(BINARY, b"b" * 1000)
        peer.send(outgoing[:400])
        peer.wait(halves)
        peer.send(outgoing[400:])
        seen.extend(peer.read_frame(timeout=20) for _ in range(2))
        peer.send_frame(CLOSE, seen[1].payload)
        peer.hang()

    _, gateway, client = tunnel(over, script, timeouts={"drain": "10s"}, route=websocket_rules(drain={"over": "100ms"}))
    incoming = frame_bytes(BINARY, b"c" * 1000, mask=True)
    client.send(incoming[:600])
    gateway.wait_metric("sluice_websocket_bytes_total", 600, direction="to_upstream")
    first_half = client.read_exactly(400)
    gateway.signal(signal.SIGTERM)
    client.expect_silence(0.3)  # longer than it takes until the Close is due
    halves.set()
    client.send(incoming[600:])
    client.unread(first_half)
    frame = client.read_frame()
    assert frame.payload == b"b" * 1000
    frame = client.read_frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
    client.send_frame(CLOSE, close_payload(1001))
    client.expect_closed()
    assert gateway.wait_exit(timeout=5) == 0
    assert seen[0].payload == b"c" * 1000
    assert (seen[1].opcode, seen[1].close_code) == (CLOSE, 1001)


def test_sigterm_ends_tunnels_whose_peers_never_answer(over):
    _, gateway, client = tunnel(over, lambda peer: (peer.accept_websocket(), peer.hang()), timeouts={"drain": "400ms"})
    gateway.signal(signal.SIGTERM)
    assert read_frame(client).close_code == 1001
    client.expect_closed(timeout=3)
    assert gateway.wait_exit(timeout=3) == 0
