"""Many requests at once to a backend of HTTP/2: how many connections they open."""

import json
import threading

from support.http2_backend import FrameServer, answer_all, speaking, tls_context
from support.http2_frames import MAX_STREAMS, REFUSED_STREAM, FrameClient, get, reset
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
