"""WebSockets side by side on one HTTP/2 connection to their backend: what one does to the others, what the gateway does with all of
them, and Node as the backend."""

import json
import threading
import time
import zlib

import pytest

from support import real_backends
from support.fan_in import OFFERED, ONE, TUNNELS, answer_of, fan_in
from support.fan_in import over  # noqa: F401 (a fixture)
from support.raw_backend import echo_websocket
from support.waiting import seconds, wait_until
from support.websocket import BINARY, CLOSE, TEXT, assert_carries, close_payload, frame_bytes

MIB = 2**20


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


@pytest.fixture(params=["clear", "tls"])
def node(request, lab, ca):
    """A backend on the `ws` package, its URL, and how it is reached."""
    return real_backends.reached_node_http2(lab, ca if request.param == "tls" else None)


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
