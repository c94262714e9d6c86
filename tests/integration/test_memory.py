"""Memory stays bounded, whoever does not read."""

import threading
import time

import pytest

from support import http2_websocket
from support.binary import is_sanitized
from support.http2_client import Http2Client
from support.http2_way import listeners
from support.http_message import chunked, read_response_head, request_bytes
from support.raw_client import trusting
from support.sockets_memory import sockets_memory_mib
from support.waiting import seconds, wait_until
from support.websocket import open_websocket

MIB = 2**20


def bound(mib):
    """Sanitizers keep shadow memory and freed blocks: there the figure only has to be finite."""
    return mib * (5 if is_sanitized() else 1)


@pytest.mark.slow
@pytest.mark.deadline(120)
def test_500_clients_that_read_nothing_of_100_mib(lab):
    size, block = 100 * MIB, bytes(MIB)

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.socket.settimeout(seconds(100))
        for _ in range(size // len(block)):
            connection.socket.sendall(block)

    backend = lab.backend(script)
    backend.hold_little()  # what sockets hold is to be the gateway's
    gateway = lab.gateway(backend, workers=2)
    before, sockets_before = gateway.rss_mib(), sockets_memory_mib()
    clients = [lab.client(gateway, receive_buffer=4096) for _ in range(500)]
    for client in clients:
        client.send(request_bytes())
    wait_until(lambda: len(backend.requests) == 500, "all requests at the backend", 30)
    highest = settle(gateway)
    assert highest - before < bound(200), f"{before:.0f} MiB before, {highest:.0f} MiB with 500 clients"
    in_sockets = sockets_memory_mib() - sockets_before
    assert in_sockets < 500, f"{in_sockets:.0f} MiB in sockets"
    held = gateway.metric("sluice_held_bytes")
    assert held <= 256 * MIB
    for client in clients:
        client.close()
    gateway.wait_metric("sluice_connections_open", 0, timeout=20)
    assert gateway.metric("sluice_held_bytes") == 0


def test_slow_clients_over_max_held_bytes_are_cut_and_others_served(lab):
    size, block = 8 * MIB, bytes(MIB)

    def script(connection):
        request = connection.read_request()
        if request.target == "/small":
            return connection.respond(body=b"small")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.socket.settimeout(seconds(20))
        for _ in range(size // len(block)):
            connection.socket.sendall(block)

    gateway = lab.gateway(lab.backend(script), limits={"max_held_bytes": "256KiB"})
    clients = [lab.client(gateway, receive_buffer=4096) for _ in range(40)]
    for client in clients:
        client.send(request_bytes())
    wait_until(lambda: gateway.metric("sluice_held_bytes_rejections_total") > 0, "a slow client to be cut", 20)
    assert gateway.metric("sluice_held_bytes") <= 256 * 1024
    assert lab.request(gateway, target="/small").body == b"small"
    for client in clients:
        client.close()
    gateway.wait_metric("sluice_connections_open", 0, timeout=20)
    assert gateway.metric("sluice_held_bytes") == 0


def test_heads_that_come_in_pieces_count_too(lab):
    gateway = lab.gateway(lab.backend(), workers=1, limits={"max_held_bytes": "64KiB"})
    slow = lab.client(gateway)
    slow.send(b"GET / HTTP/1.1\r\nHost: test.example\r\nX-Slow: " + b"x" * 40_000)
    wait_until(lambda: gateway.metric("sluice_held_bytes") > 40_000, "the head to be kept")
    other = lab.client(gateway)
    other.send(b"GET / HTTP/1.1\r\nHost: test.example\r\nX-Slow: " + b"x" * 40_000)
    response = other.response()
    assert (response.status, response.header("Sluice-Error")) == (503, "overloaded")
    assert gateway.metric("sluice_held_bytes_rejections_total") == 1
    assert lab.request(gateway, headers=[("X-Whole", "x" * 10_000)]).status == 200, "in one piece"
    slow.send(b"\r\n\r\n")
    assert slow.response().status == 200
    gateway.wait_metric("sluice_held_bytes", 0)


def test_who_has_read_nothing_for_longest_is_cut_first(lab):
    """So that those who use the budget up are not in the way of one who is only slow. One worker: each cuts its own."""
    size = 16 * MIB

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.send(bytes(size))

    gateway = lab.gateway(lab.backend(script), workers=1, limits={"max_held_bytes": "256KiB"})
    clients = []

    def rejections():
        return gateway.metric("sluice_held_bytes_rejections_total")

    def another_is_cut(before):
        clients.append(lab.client(gateway, receive_buffer=4096))
        clients[-1].send(request_bytes("GET", "/stuck"))
        return rejections() > before

    wait_until(lambda: another_is_cut(0), "the budget to be used up", 20)
    reader = lab.client(gateway, record=False)
    before = rejections()
    reader.send(request_bytes("GET", "/slow"))
    # Whether the reader itself needed room depends on how much the first one gave back.
    wait_until(lambda: another_is_cut(before), "room to be made while the reader is slow", 20)
    assert read_response_head(reader).status == 200
    assert sum(len(block) for block in reader.blocks(size)) == size
    assert gateway.wait_log(1, target="/slow")["status"] == 200


def settle(gateway):
    """The highest residence until it has not moved for a while."""
    highest, steady_since = gateway.rss_mib(), time.monotonic()
    while time.monotonic() - steady_since < 1:
        now = gateway.rss_mib()
        if now > highest + 0.5:
            highest, steady_since = now, time.monotonic()
        time.sleep(0.05)
    return highest


@pytest.mark.slow
@pytest.mark.deadline(60)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_backend_that_reads_nothing_of_a_1_gib_upload(lab, framing):
    total, leave = 1024 * MIB, threading.Event()

    def hold(connection):
        connection.read_request_head()
        connection.wait(leave, 60)

    gateway = lab.gateway(lab.backend(hold, receive_buffer=65536), limits={"max_request_body": "2GiB"})
    before = gateway.rss_mib()
    client = lab.client(gateway)
    if framing == "length":
        client.send(request_bytes("POST", "/", [("Content-Length", str(total))]))
        block = bytes(MIB)
    else:
        client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]))
        block = b"%x\r\n%s\r\n" % (MIB, bytes(MIB))
    sent = client.send_until_blocked(block, total, quiet=1)
    leave.set()
    assert sent < 64 * MIB, f"{sent / MIB:.0f} MiB were taken"
    assert gateway.rss_mib() - before < bound(20)


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_pipelined_requests_whose_answers_nobody_reads(lab):
    """A client that only sends: its requests must wait in its own socket."""
    backend = lab.backend(lambda peer: endless(peer, bytes(100_000)), record=False)
    gateway = lab.gateway(backend)
    before = gateway.rss_mib()
    client = lab.client(gateway, receive_buffer=4096)
    sent = client.send_until_blocked(request_bytes() * 1000, 100 * MIB, quiet=0.5)
    assert sent < 32 * MIB
    assert gateway.rss_mib() - before < bound(20)


def endless(peer, body):
    while True:
        peer.read_request()
        peer.respond(body=body)


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_many_idle_connections_cost_little(lab):
    gateway = lab.gateway(lab.backend(), workers=2)
    before = gateway.rss_mib()
    clients = [lab.client(gateway) for _ in range(2000)]
    for client in clients[::20]:
        assert client.request().status == 200
    wait_until(lambda: gateway.metric("sluice_connections_open") == 2000, "all connections")
    grown = gateway.rss_mib() - before
    assert grown < bound(40), f"{grown * 1024 / 2000:.1f} KiB per idle connection"


@pytest.mark.slow
@pytest.mark.deadline(120)
def test_tunnels_that_share_a_connection_cost_half(lab, ca):
    """Of what TLS connections of their own cost. The gateway's other side is the same for both."""
    number, sharing = 1000, 100
    trust = {protocol: trusting(ca.certificate, alpn=[protocol]) for protocol in ("h2", "http/1.1")}

    def gateway():
        backend = lab.backend(lambda peer: (peer.accept_websocket(), peer.hang()), record=False)
        return lab.gateway(backend, workers=1, listeners=listeners(ca), upstream={"circuit_breaker": {"max_connections": 2 * number}})

    def open_shared(gateway, number):
        for _ in range(number // sharing):
            client = Http2Client.to(gateway.ports["tls"], tls=trust["h2"])
            lab.clients.append(client)
            for _ in range(sharing):
                http2_websocket.open_websocket(client)

    def open_alone(gateway, number):
        for _ in range(number):
            open_websocket(lab.client(gateway, "tls", tls=trust["http/1.1"], server_name="test.example", record=False))

    costs = []
    for open_some in (open_shared, open_alone):
        served = gateway()
        open_some(served, sharing)  # what the first ones need stays for the others
        before = served.rss_mib()
        open_some(served, number)
        costs.append((settle(served) - before) * 1024 / number)
    shared, alone = costs
    assert shared <= alone / 2 or is_sanitized(), f"{shared:.1f} KiB each on a shared connection, {alone:.1f} on one of its own"


@pytest.mark.slow
@pytest.mark.deadline(60)
@pytest.mark.parametrize("finished", [True, False])
def test_trailers_cost_little(lab, finished):
    """They have no share of max_held_bytes: a connection that sent some is as cheap as any when it is idle again, and one in
    the middle of them keeps a few KiB."""
    gateway, number = lab.gateway(lab.backend(), workers=1), 500
    sent = chunked(b"a", trailers=b"X-A: " + b"t" * 7000 + b"\r\n")
    for _ in range(10):  # what the first ones need stays for the others
        assert lab.client(gateway).request("POST", "/", [("Transfer-Encoding", "chunked")], sent).status == 200
    before = gateway.rss_mib()
    for _ in range(number):
        client = lab.client(gateway)
        client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")], sent if finished else sent[:-4]))
        if finished:
            assert client.response().status == 200
    grown = settle(gateway) - before
    assert grown < bound(5 if finished else 20), f"{grown * 1024 / number:.1f} KiB per connection"
    assert gateway.metric("sluice_held_bytes") == 0


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_a_large_response_head_stays_on_no_idle_connection(lab):
    def script(peer):
        while True:
            peer.read_request()
            peer.respond(headers=[("X-Large", "x" * 60_000)])

    gateway, number = lab.gateway(lab.backend(script), workers=1), 300
    assert lab.client(gateway).request().status == 200
    before = gateway.rss_mib()
    for _ in range(number):
        assert lab.client(gateway).request().status == 200
    grown = settle(gateway) - before
    assert grown < bound(6), f"{grown * 1024 / number:.1f} KiB per connection"


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_connections_that_come_and_go_leave_nothing(lab):
    gateway = lab.gateway(lab.backend(), workers=1)

    def wave(number):
        for _ in range(number):
            assert lab.request(gateway).status == 200
        for client in lab.clients:
            client.close()
        lab.clients.clear()

    wave(500)
    before = gateway.rss_mib()
    wave(3000)
    assert gateway.rss_mib() - before < bound(4)
