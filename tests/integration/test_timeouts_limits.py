"""Every limit and every timeout, at its edge."""

import threading

import pytest

from support.http_message import chunked, read_chunk, read_response_head, request_bytes
from support.stream import PeerClosed
from support.waiting import stays, wait_until

# Timeouts are 300 ms here, and must not strike much earlier.
SHORT = "300ms"


def get(target="/", *fields):
    return request_bytes("GET", target, fields)


# limits

@pytest.mark.parametrize("surplus,status", [(0, 200), (1, 414), (100_000, 414)])
def test_max_request_line(lab, surplus, status):
    gateway = lab.gateway(lab.backend(), limits={"max_request_line": "1KiB"})
    target = "/" + "x" * (1024 - len("GET / HTTP/1.1") + surplus)
    client = lab.client(gateway)
    try:
        client.send(get(target))
    except PeerClosed:
        pass  # refused before it was all sent
    assert client.response().status == status


@pytest.mark.parametrize("surplus,status", [(0, 200), (1, 431), (1_000_000, 431)])
def test_max_request_head(lab, surplus, status):
    gateway = lab.gateway(lab.backend(), limits={"max_request_head": "4KiB"})
    fill = 4096 - len(get("/", ("X-A", ""))) + surplus
    client = lab.client(gateway)
    try:
        client.send(get("/", ("X-A", "x" * fill)))
    except PeerClosed:
        pass
    assert client.response().status == status


@pytest.mark.parametrize("surplus,status", [(0, 200), (1, 431)])
def test_max_headers(lab, surplus, status):
    backend = lab.backend()
    gateway = lab.gateway(backend, limits={"max_headers": 20})
    client = lab.client(gateway)
    client.send(get("/", *((f"X-{number}", "1") for number in range(19 + surplus))))  # and Host
    assert client.response().status == status
    assert len(backend.connections) == (1 if status == 200 else 0)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size,status", [(1000, 200), (1001, 413)])
def test_max_request_body(lab, framing, size, status):
    backend = lab.backend()
    gateway = lab.gateway(backend, limits={"max_request_body": 1000})
    client = lab.client(gateway)
    if framing == "length":
        response = client.request("POST", "/", body=bytes(size))
    else:
        body = chunked(bytes(600), bytes(size - 600))
        response = client.request("POST", "/", [("Transfer-Encoding", "chunked")], body)
    assert response.status == status
    if status == 413:
        assert response.header("Sluice-Error") == "request_too_large"
        assert backend.requests == [], "no whole request"
        client.read_until_closed()


def test_a_declared_length_over_the_limit_never_reaches_the_backend(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend, limits={"max_request_body": "1KiB"}))
    client.send(request_bytes("POST", "/", [("Content-Length", "1025"), ("Expect", "100-continue")]))
    response = client.response()
    assert (response.status, response.interim) == (413, [])
    assert backend.connections == []


def test_a_route_has_a_body_limit_of_its_own(lab):
    gateway = lab.gateway(lab.backend(), limits={"max_request_body": 100}, route={"max_request_body": 1000})
    assert lab.request(gateway, "POST", body=bytes(1000)).status == 200
    assert lab.request(gateway, "POST", body=bytes(1001)).status == 413


def test_a_body_limit_can_be_off(lab):
    gateway = lab.gateway(lab.backend(), limits={"max_request_body": 100}, route={"max_request_body": "off"})
    assert lab.request(gateway, "POST", body=bytes(100_000)).status == 200


def test_the_body_limit_counts_what_an_earlier_attempt_has_read(lab):
    """The first attempt fails behind part of the body; the second one must not count from zero."""
    again = threading.Event()

    def script(connection):
        connection.read_request_head()
        assert len(read_chunk(connection)) == 600
        if connection.index == 0:
            return  # the connection ends, without an answer
        again.set()
        read_chunk(connection)
        connection.respond()

    gateway = lab.gateway(lab.backend(script), limits={"max_request_body": 1000},
                          upstream={"retries": {"on": ["connect", "reset"]}})
    client = lab.client(gateway)
    client.send(request_bytes("PUT", "/", [("Transfer-Encoding", "chunked")],
                              chunked(bytes(600)).removesuffix(b"0\r\n\r\n")))
    wait_until(again.is_set, "the second attempt")
    client.send(chunked(bytes(600)))
    response = client.response()
    assert (response.status, response.header("Sluice-Error")) == (413, "request_too_large")


# timeouts towards the client

@pytest.mark.parametrize("dripping", [False, True])
def test_a_slow_head_is_408(lab, dripping):
    gateway = lab.gateway(lab.backend(), timeouts={"request_head": SHORT})
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\nX-Slow: ")
    if dripping:
        def drip():
            try:
                client.send(b"x")
            except PeerClosed:
                return True
            return gateway.metric("sluice_client_timeouts_total", phase="request_head") == 1
        wait_until(drip, "the timeout in spite of the drip")
    assert client.response().status == 408
    client.read_until_closed()
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="request_head")


def test_a_client_that_never_says_anything_is_closed(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"request_head": SHORT, "keepalive_idle": SHORT})
    client = lab.client(gateway)
    client.expect_silence(0.15)
    client.read_until_closed(timeout=3)
    gateway.wait_metric("sluice_connections_open", 0)


@pytest.mark.parametrize("framing", [("Content-Length", "100"), ("Transfer-Encoding", "chunked")])
def test_a_slow_body_is_408(lab, framing):
    backend = lab.backend()
    gateway = lab.gateway(backend, timeouts={"request_body_idle": SHORT})
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [framing], b"4\r\nslow\r\n"))
    assert client.response().status == 408
    client.read_until_closed()
    wait_until(backend.connection().finished.is_set, "the upstream exchange to be called off")
    assert backend.requests == []
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="request_body")


def test_a_body_that_keeps_coming_may_take_long(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"request_body_idle": SHORT})
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Content-Length", "6")]))
    for byte in b"steady":
        client.expect_silence(0.12)
        client.send(bytes([byte]))
    assert client.response().status == 200


def test_an_idle_connection_is_closed_without_an_answer(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"keepalive_idle": SHORT})
    client = lab.client(gateway)
    for _ in range(3):
        assert client.request().status == 200
        client.expect_silence(0.15)
    client.expect_closed(timeout=3)
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="keepalive")


def test_a_client_that_takes_no_bytes_is_cut(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        connection.send(bytes(100_000_000))

    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts={"client_write_idle": SHORT})
    client = lab.client(gateway, receive_buffer=4096)
    client.send(get("/unread"))
    wait_until(backend.connection().finished.is_set, "the upstream exchange to be called off", 10)
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="client_write")
    gateway.wait_metric("sluice_connections_open", 0)


def test_a_slow_but_steady_reader_is_not_cut(lab):
    """Longer than the timeout in all, but with bytes taken within it."""
    size = 30_000_000

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.send(bytes(size))

    gateway = lab.gateway(lab.backend(script), timeouts={"client_write_idle": "400ms"})
    client = lab.client(gateway, receive_buffer=32768, record=False)
    client.send(get())
    read_response_head(client)
    left = size
    for _ in range(10):
        left -= len(client.read_exactly(1_000_000))
        stays(lambda: gateway.process.poll() is None, "running", 0.1)
    assert sum(len(block) for block in client.blocks(left)) == left


def test_a_handshake_that_never_comes(lab, ca):
    listener = {"name": "secure", "address": "127.0.0.1:0",
                "tls": {"certificates": [ca.issue("test.example").as_config()]}}
    gateway = lab.gateway(lab.backend(), listeners=[listener], timeouts={"tls_handshake": SHORT})
    silent, half = lab.client(gateway), lab.client(gateway)
    half.send(b"\x16\x03\x01\x02\x00\x01\x00")
    for client in (silent, half):
        client.read_until_closed(timeout=3)
    gateway.wait_metric("sluice_tls_handshakes_total", 2, result="timeout")


# timeouts towards the backend

def test_response_head(lab):
    silent = lab.backend(lambda peer: (peer.read_request(), peer.hang()))
    gateway = lab.gateway(silent, timeouts={"response_head": SHORT})
    response = lab.request(gateway)
    assert (response.status, response.header("Sluice-Error")) == (504, "response_timeout")


@pytest.mark.parametrize("everywhere,here,status", [("300ms", "off", 200), ("60s", "300ms", 504)])
def test_a_route_has_timeouts_of_its_own(lab, everywhere, here, status):
    def script(peer):
        peer.read_request()
        try:
            peer.expect_silence(0.6)
        except AssertionError:
            return  # called off
        peer.respond()

    gateway = lab.gateway(lab.backend(script), timeouts={"response_head": everywhere},
                          route={"timeouts": {"response_head": here}})
    assert lab.request(gateway).status == status


@pytest.mark.parametrize("here,whole", [("off", True), ("200ms", False)])
def test_silence_in_a_response(lab, here, whole):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        try:
            peer.expect_silence(0.6)
        except AssertionError:
            return
        peer.send(b"half")

    gateway = lab.gateway(lab.backend(script), timeouts={"response_body_idle": "200ms"},
                          route={"timeouts": {"response_body_idle": here}})
    client = lab.client(gateway)
    client.send(get())
    assert read_response_head(client).status == 200
    if whole:
        assert client.read_exactly(8) == b"halfhalf"
    else:
        assert client.read_until_closed() == b"half"
        gateway.wait_metric("sluice_upstream_failures_total", 1, reason="body_timeout")


def test_response_body_idle_is_about_the_backend_only(lab):
    """A client that pauses reading is no silence of the backend."""
    size = 30_000_000

    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    gateway = lab.gateway(lab.backend(script), timeouts={"response_body_idle": "200ms"})
    client = lab.client(gateway, receive_buffer=32768, record=False)
    client.send(get())
    read_response_head(client)
    stays(lambda: gateway.metric("sluice_connections_open") == 1, "open", 0.8)
    assert sum(len(block) for block in client.blocks(size)) == size
