"""Backends of HTTP/2 that misbehave: each costs the requests that it has, not the gateway's memory or time, nor what others ask."""

import threading

import pytest

from support.binary import is_sanitized
from support.http2_backend import answer_all, speaking
from support.http2_frames import (ACK, END_HEADERS, INITIAL_WINDOW, MAX_STREAMS, PING, PUSH_PROMISE, WINDOW, WINDOW_UPDATE, block,
                                  continuation, data, frame, goaway, headers, ping, request_fields, reset, settings, u32, window_update)
from support.stream import PeerClosed, PeerReset

MIB = 1 << 20
TABLE_SIZE = 1  # a setting
PRIORITY_UPDATE = 0x10
MAX_WINDOW = 2**31 - 1
ROUTES = [{"name": "own", "match": {"path": "/own"}, "respond": {"status": 200}},
          {"name": "all", "upstream": "app", "timeouts": {"response_head": "1s"}}]


def gateway_to(lab, bad, *pairs):
    """`bad` is what the first connection gets."""
    def script(server):
        if server.connection.index == 0:
            bad(server)
        else:
            answer_all(server)
    backend = lab.backend(speaking(script, *pairs), record=False)
    return backend, lab.gateway(backend, workers=1, upstream={"protocol": "h2"}, routes=ROUTES)


FLOODS = {
    "pings": lambda stream: ping() * 1000,
    "settings": lambda stream: settings((4, 65535), (4, 65536)) * 500,
    "empty settings": lambda stream: settings() * 1000,
    "goaways": lambda stream: goaway(stream, 0) * 1000,
    "resets": lambda stream: reset(stream, 8) * 1000,
    "window updates": lambda stream: window_update(0, 1) * 1000,
    "unknown frames": lambda stream: frame(0xBE, 0, 0, b"unknown") * 1000,
    "empty data": lambda stream: headers(stream, [(":status", "200")], end=False) + data(stream, b"", False) * 1000,
    "interim answers": lambda stream: headers(stream, [(":status", "103")], end=False) * 1000,
    "pushes": lambda stream: frame(PUSH_PROMISE, END_HEADERS, stream, u32(2) + block(*request_fields())) * 500,
    "data on a closed stream": lambda stream: headers(stream, [(":status", "200")]) + data(stream, b"x" * 1000, False) * 100,
    "a head without end": lambda stream: continuation(stream, b"", done=False) * 1000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods_that_read_nothing(lab, flood):
    over = threading.Event()

    def bad(server):
        stream = server.request().stream
        if flood == "a head without end":
            server.send(headers(stream, [(":status", "200")], done=False))
        try:
            server.connection.send_until_blocked(FLOODS[flood](stream), 24 * MIB)
        except (PeerReset, PeerClosed):
            pass
        over.set()
        server.connection.read_until_closed(timeout=60)
    _, gateway = gateway_to(lab, bad)
    assert lab.request(gateway, target="/own").status == 200
    before = gateway.rss_mib()
    hit = lab.client(gateway)
    hit.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
    while not over.wait(0.05):
        assert lab.request(gateway, target="/own").status == 200
    assert gateway.rss_mib() - before < (40 if is_sanitized() else 8)  # a sanitizer keeps freed blocks for a while
    hit.close()
    assert lab.request(gateway, target="/own").status == 200


ENDS = {
    "a push": lambda stream: frame(PUSH_PROMISE, END_HEADERS, stream, u32(2) + block(*request_fields())),
    "a priority, and a frame of a wrong size": lambda stream: (frame(PRIORITY_UPDATE, 0, 0, u32(stream) + b"u=1")
                                                               + frame(PING, 0, 0, b"123")),
    "a table larger than announced": lambda stream: headers(stream, b"\x3f\xe1\xff\x03" + block((":status", "200"))),
    "data before its head": lambda stream: data(stream, b"x"),
    "a stream of its own": lambda stream: headers(2, [(":status", "200")]),
    "a reset of what never was": lambda stream: reset(stream + 2, 8),
    "a window that overflows": lambda stream: window_update(0, (1 << 31) - 1),
    "trailers without end": lambda stream: (headers(stream, [(":status", "200")], end=False) + headers(stream, [("x-a", "b")], done=False)
                                            + b"".join(continuation(stream, [("x-a", "b" * 4000)], done=False) for _ in range(100))),
    "more than the window": lambda stream: headers(stream, [(":status", "200")], end=False) + data(stream, b"x" * 16384, False) * 80,
}


@pytest.mark.parametrize("end", ENDS)
def test_what_no_backend_may_say(lab, end):
    """Its own request fails, whatever the gateway has to end for it; the next one does not."""
    def bad(server):
        server.send(ENDS[end](server.request().stream))
        answer_all(server)
    _, gateway = gateway_to(lab, bad)
    client = lab.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n")
    try:
        assert client.response("POST").status in (502, 504)
    except (PeerClosed, PeerReset):
        pass  # broken off
    assert lab.request(gateway).status == 200


def test_a_table_as_large_as_can_be(lab):
    """What a backend would remember is its own business."""
    _, gateway = gateway_to(lab, answer_all, (TABLE_SIZE, (1 << 32) - 1))
    assert [lab.request(gateway, headers=[(f"X-{number}", "v" * 3000)]).status for number in range(100)] == [200] * 100


def test_a_backend_that_allows_no_stream_keeps_no_connection(lab):
    """It may answer what it got before that was known."""
    backend = lab.backend(speaking(answer_all, (MAX_STREAMS, 0)))
    gateway = lab.gateway(backend, workers=1, upstream={"protocol": "h2"})
    assert [lab.request(gateway).status for _ in range(5)] == [200] * 5
    gateway.wait_metric("sluice_upstream_connections_open", 0, upstream="app")
    gateway.wait_metric("sluice_upstream_connections_idle", 0, upstream="app")


@pytest.mark.slow
@pytest.mark.deadline(90)
def test_a_backend_that_speaks_and_does_not_read(lab):
    """What it says is no sign that it takes anything: after 40 s without a byte its connection is given up."""
    def script(server):
        if server.connection.index > 0:
            return answer_all(server)
        server.send(settings((INITIAL_WINDOW, MAX_WINDOW)), window_update(0, MAX_WINDOW - WINDOW))
        server.head()
        while not over.wait(2):
            server.send(ping(flags=ACK))
        return None

    over = threading.Event()
    backend = lab.backend(speaking(script), record=False)
    gateway = lab.gateway(backend, workers=1, upstream={"protocol": "h2"}, route={"timeouts": {"response_head": "2m"}})
    client = lab.client(gateway)
    size = 64 * MIB
    client.send(b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: %d\r\n\r\n" % size)
    assert client.send_until_blocked(b"x" * MIB, size) < size
    assert client.response("POST", timeout=60).status == 504
    over.set()
    assert lab.request(gateway).status == 200
    assert len(backend.connections) == 2
