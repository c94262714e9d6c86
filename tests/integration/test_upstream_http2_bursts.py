"""Many requests at once to a backend of HTTP/2: how many connections they open, and how much of its answers is held."""

import json
import threading

import hpack

from support.http2_backend import FrameServer, answer_all, speaking, tls_context
from support.http2_frames import ENHANCE_YOUR_CALM, MAX_STREAMS, REFUSED_STREAM, RST_STREAM, FrameClient, get, headers, reset
from support.waiting import wait_until

LISTENERS = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]


def gateway_to(lab, script, *pairs, upstream=None, **config):
    backend = lab.backend(speaking(script, *pairs))
    return backend, lab.gateway(backend, workers=1, listeners=LISTENERS, upstream={"protocol": "h2", **(upstream or {})}, **config)


def requests_at(gateway):
    """That are under way at the endpoint, those included whose connection is being opened."""
    endpoint, = json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"]
    return endpoint["in_flight"]


def at_once(lab, gateway, count):
    """So many requests, which the gateway has before it looks at any backend."""
    client = FrameClient(gateway.port)
    lab.clients.append(client)
    numbers = range(1, 2 * count, 2)
    client.send_frames(*(get(number, f"/{number}") for number in numbers))
    return client, numbers


def test_fifty_requests_at_once_over_a_fresh_worker_have_one_connection(lab):
    backend, gateway = gateway_to(lab, answer_all)
    client, numbers = at_once(lab, gateway, 50)
    assert [client.answer(number).body for number in numbers] == [f"/{number}".encode() for number in numbers]
    assert len(backend.connections) == 1


def test_those_that_wait_open_others_where_one_stream_is_the_limit(lab):
    """Who sends more before the backend has said so is refused, and asks again elsewhere."""
    held = []

    def script(server):
        held.append((server, server.request()))
        while True:
            server.send(reset(server.request().stream, REFUSED_STREAM))
    backend, gateway = gateway_to(lab, script, (MAX_STREAMS, 1), upstream={"retries": {"attempts": 5}})
    client, numbers = at_once(lab, gateway, 3)
    wait_until(lambda: len(held) == 3, "three connections with a request each")
    for server, asked in held:
        server.respond(asked, 200, asked.path.encode())
    assert [client.answer(number).body for number in numbers] == [b"/1", b"/3", b"/5"]
    assert len(backend.connections) == 3


def test_a_client_that_leaves_while_it_waits_for_a_connection(lab, ca):
    """The others do not hear of it."""
    go = threading.Event()
    tls = tls_context(ca, "h2")

    def script(connection):
        connection.wait(go)
        connection.socket.settimeout(20)
        connection.socket = tls.wrap_socket(connection.socket, server_side=True)
        answer_all(FrameServer(connection))
    backend = lab.backend(script)
    gateway = lab.gateway(f"https://localhost:{backend.port}", upstream={"protocol": "h2", "tls": {"ca": str(ca.certificate)}}, workers=1)
    clients = [lab.client(gateway) for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(f"GET /{number} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode())
        wait_until(lambda: requests_at(gateway) == number + 1, "the request")
    clients[1].close()
    wait_until(lambda: requests_at(gateway) == 2, "the end of the one that has left")
    go.set()
    assert [clients[number].response().body for number in (0, 2)] == [b"/0", b"/2"]
    assert len(backend.connections) == 1 and len(backend.requests) == 2


def test_large_heads_count_as_held_until_their_requests_end(lab):
    """By HPACK, each but the first costs the backend a byte a field."""
    sign = threading.Event()
    codes = []

    def script(server):
        encoder = hpack.Encoder()
        asked = [server.request() for _ in range(10)]
        for one in asked:
            fields = [(":status", "200")] + [("x-large", "y" * 3900)] * 4
            server.send(headers(one.stream, encoder.encode(fields), end=False))
        codes.extend(server.wait_frame(RST_STREAM).code for _ in range(6))
        server.respond(server.request(), 200, b"small")
        server.connection.wait(sign)
        for one in asked[:4]:
            server.send_body(one.stream, b"end")
        answer_all(server)
    backend, gateway = gateway_to(lab, script, limits={"max_held_bytes": "64KiB"})
    clients = [lab.client(gateway) for _ in range(10)]
    for number, client in enumerate(clients, 1):
        client.send(b"GET /large HTTP/1.1\r\nHost: test.example\r\n\r\n")
        backend.wait_for_request(number)
    refused = [client.response() for client in clients[4:]]
    assert [(one.status, one.header("Sluice-Error")) for one in refused] == [(503, "overloaded")] * 6
    assert gateway.metric("sluice_held_bytes") > 4 * 15_000
    assert lab.request(gateway).body == b"small"  # that costs nothing
    sign.set()
    assert [client.response().body for client in clients[:4]] == [b"end"] * 4
    gateway.wait_metric("sluice_held_bytes", 0)
    assert codes == [ENHANCE_YOUR_CALM] * 6
