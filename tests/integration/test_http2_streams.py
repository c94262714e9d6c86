"""Streams of HTTP/2 beside one another: windows, slow ones, resets, and how connections end."""

import hashlib
import threading

import pytest

from support.http2_frames import CANCEL, HEADERS, INITIAL_WINDOW, PREFACE, FrameClient, frame, get, settings, u32, window_update
from support.http2_way import BODY, WINDOW, answer_by_path, digest, way  # noqa: F401 (a fixture)
from support.http_message import read_chunk, read_trailers
from support.stream import PeerClosed
from support.waiting import seconds, stays, wait_until

NO_ERROR, INTERNAL_ERROR = 0, 2
PRIORITY_UPDATE = 0x10  # RFC 9218 7.1


# ---- windows --------------------------------------------------------------------------------------------------------

@pytest.mark.deadline(60)
def test_large_bodies_both_ways_at_once(way):
    client = way.client_for(answer_by_path)
    down = [client.begin(path="/1000000") for _ in range(3)]
    up = [client.begin("POST", "/up", end=False) for _ in range(3)]
    for number in up:
        client.send_body(number, BODY)
    assert [client.answer(number).body for number in up] == [digest(BODY)] * 3
    assert [client.answer(number).body == BODY for number in down] == [True] * 3


@pytest.mark.parametrize("window", [1, 100, 2**31 - 1])
def test_windows_of_the_client(way, window):
    client = way.client(way.gateway(way.lab.backend(answer_by_path)), settings={4: window})
    assert client.request(path="/500").body == BODY[:500]


def test_a_hundred_requests_at_once(lab, way):
    """None is answered before all have come."""
    together = threading.Barrier(100)

    def script(connection):
        while True:
            request = connection.read_request()
            together.wait(seconds(20))
            connection.respond(body=request.target.encode())

    client = way.client_for(script, workers=1)
    numbers = [client.begin(path=f"/{at}") for at in range(100)]
    assert [client.answer(number).body for number in numbers] == [b"/%d" % at for at in range(100)]
    gateway = lab.gateways[0]
    assert gateway.metric("sluice_connections_accepted_total") == 1


def test_a_stream_without_a_window_holds_back_itself_alone(lab, way):
    client = way.client_for(answer_by_path)
    slow = client.begin(path="/1000000")
    client.stalled.add(slow)
    client.wait(lambda: len(client.answers[slow].body) == WINDOW)
    for size in (10, 200_000):
        assert client.request(path=f"/{size}").body == BODY[:size]
    assert len(client.answers[slow].body) == WINDOW
    gateway = lab.gateways[0]
    assert gateway.metric("sluice_held_bytes") > 0
    client.open_windows(slow)
    assert client.answer(slow).body == BODY
    gateway.wait_metric("sluice_held_bytes", 0)


def test_an_answer_whose_end_alone_finds_no_window(lab):
    """It is reset like one of which the client takes no bytes, and its connection may go."""
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.wait(head_came)
        peer.send(b"0\r\n\r\n")
        peer.hang()

    head_came = threading.Event()
    gateway = lab.gateway(lab.backend(script), workers=1, timeouts={"client_write_idle": "300ms", "keepalive_idle": "300ms"},
                          listeners=[{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}])
    client = FrameClient(gateway.port, begin=PREFACE + settings((INITIAL_WINDOW, 0)))
    client.send(get())
    client.wait_frame(HEADERS, 1)
    head_came.set()
    assert client.answer(timeout=5).reset == CANCEL
    assert client.read_to_end(timeout=5).code == NO_ERROR
    gateway.wait_metric("sluice_http2_streams_open", 0)
    client.close()


def test_a_slow_upload_holds_back_itself_alone(way):
    sign = threading.Event()

    def script(connection):
        while True:
            request = connection.read_request_head(timeout=20)
            if request.target == "/slow":
                connection.wait(sign)
            hashed = hashlib.sha256()
            while part := read_chunk(connection, timeout=20):
                hashed.update(part)
            read_trailers(connection)
            connection.respond(body=hashed.hexdigest().encode())

    gateway = way.gateway(way.lab.backend(script, receive_buffer=4096))
    client = way.client(gateway)
    slow = client.begin("POST", "/slow", end=False)
    body, sent = bytes(12_000_000), 0
    # As long as something is taken: then the gateway's sockets and the stream's window are full.
    while True:
        size = min(client.window(slow), 16384)
        if size == 0:
            try:
                client.receive(timeout=0.5)
            except AssertionError:
                break
            continue
        client.send_now(slow, body[sent:sent + size])
        sent += size
        assert sent < len(body), "nothing held the upload back"
    assert client.request("POST", "/", body=BODY).body == digest(BODY)
    sign.set()
    client.send_body(slow, b"end")
    assert client.answer(slow).body == digest(body[:sent] + b"end")


def test_no_answer_waits_for_the_end_of_another(way):
    """Those of one urgency share the connection (RFC 9218 10), though Python's client says nothing of that."""
    client = way.client_for(answer_by_path)
    first, second = client.begin(path="/1000000"), client.begin(path="/1000000")
    client.wait(lambda: len(client.answers[first].body) > 200_000 or len(client.answers[second].body) > 200_000)
    client.wait(lambda: len(client.answers[first].body) > 200_000 and len(client.answers[second].body) > 200_000)
    assert not client.answers[first].ended or not client.answers[second].ended
    assert client.answer(first).body == client.answer(second).body == BODY


@pytest.mark.parametrize("by", ["field", "frame", "frame before"])
def test_the_most_urgent_answer_goes_first(way, by):
    """Three wait for the connection's window, and the one that was asked for last needs it most (RFC 9218 4.1)."""
    gateway = way.gateway(way.lab.backend(answer_by_path))
    client = FrameClient(gateway.ports[way.mode], tls=way.tls, begin=PREFACE + settings((INITIAL_WINDOW, 2**20)))
    way.lab.clients.append(client)
    urgency = {1: "u=5", 3: "u=6", 5: "u=1"}

    def ask(number):
        client.send(get(number, "/1000000", *([("priority", urgency[number])] if by == "field" else [])))

    def sizes():
        return {number: len(answer.body) for number, answer in client.answers.items() if number}

    updates = b"".join(frame(PRIORITY_UPDATE, payload=u32(number) + text.encode()) for number, text in reversed(urgency.items()))
    if by == "frame before":
        client.send(updates)
    ask(1)
    while sizes().get(1) != WINDOW:
        client.next_frame()
    held = gateway.metric("sluice_held_bytes")
    ask(3)
    ask(5)
    while len(sizes()) < 3:
        client.next_frame()
    wait_until(lambda: gateway.metric("sluice_held_bytes") > held + 20_000, "both answers to begin")
    if by == "frame":
        client.send(updates)
        client.still_answers()
    client.send(window_update(0, 10_000))
    while sum(sizes().values()) < WINDOW + 10_000:
        client.next_frame()
    assert sizes() == {1: WINDOW, 3: 0, 5: 10_000}


# ---- ends -----------------------------------------------------------------------------------------------------------

def test_a_reset_ends_the_backends_exchange(lab, way):
    def script(connection):
        connection.read_request()
        connection.hang()

    backend = lab.backend(script)
    gateway = way.gateway(backend)
    client = way.client(gateway)
    number = client.begin()
    backend.wait_for_request()
    client.reset(number)
    assert backend.connection().finished.wait(seconds(5))
    assert gateway.wait_log(status=499)["version"] == "HTTP/2.0"


def test_a_reset_in_the_middle_of_a_body(lab, way):
    ended = []

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            while True:
                connection.send(bytes(100_000))
        except PeerClosed:
            ended.append(True)

    gateway = way.gateway(lab.backend(script))
    client = way.client(gateway)
    number = client.begin()
    client.wait(lambda: len(client.answers[number].body) > 50_000)
    client.reset(number)
    wait_until(lambda: ended, "the backend to be told")
    gateway.wait_metric("sluice_held_bytes", 0)
    other = client.begin(path="/other")
    client.wait(lambda: client.answers[other].body)


def test_a_client_that_leaves(lab, way):
    def script(connection):
        connection.read_request()
        connection.hang()

    backend = lab.backend(script)
    gateway = way.gateway(backend)
    client = way.client(gateway)
    for at in range(10):
        client.begin(path=f"/{at}")
    backend.wait_for_request(10)
    client.stream.reset()
    for at in range(10):
        assert backend.connection(at).finished.wait(seconds(5))
    gateway.wait_metric("sluice_connections_open", 0)
    gateway.wait_log(10, status=499)


@pytest.mark.parametrize("begun", [True, False])
def test_a_backend_that_breaks_off(way, begun):
    """A part must not look like all of it."""
    def script(connection):
        connection.read_request()
        if begun:
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")

    client = way.client_for(script, upstream={"retries": {"attempts": 1}})
    answer = client.request()
    if begun:
        assert (answer.status, answer.body, answer.ended, answer.reset) == (200, b"first", False, INTERNAL_ERROR)
    else:
        assert (answer.status, answer.header("sluice-error"), answer.ended) == (502, "reset", True)
    assert client.request().status == (200 if begun else 502), "the connection goes on"


def test_a_client_that_says_goodbye(way):
    """What is under way is still answered."""
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=BODY)

    client = way.client_for(script)
    number = client.begin()
    way.lab.backends[0].wait_for_request()
    client.go_away()
    sign.set()
    assert client.answer(number).body == BODY
    client.read_to_end()
    assert client.goaway in (None, NO_ERROR) and client.stream.ended == "fin"


def test_an_idle_connection(lab, way):
    gateway = way.gateway(lab.backend(), timeouts={"keepalive_idle": "200ms"})
    client = way.client(gateway)
    assert client.request().status == 200
    client.read_to_end()
    assert client.goaway == NO_ERROR and client.stream.ended == "fin"
    gateway.wait_metric("sluice_connections_open", 0)


def test_a_connection_with_an_open_stream_is_not_idle(lab, way):
    asked, sign = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request()
        asked.set()
        connection.wait(sign)
        connection.respond()

    gateway = way.gateway(lab.backend(script), timeouts={"keepalive_idle": "100ms"})
    client = way.client(gateway)
    number = client.begin()
    assert asked.wait(seconds(10))
    stays(lambda: gateway.metric("sluice_connections_open") == 1, "open", 0.5)
    sign.set()
    assert client.answer(number).status == 200
    assert client.read_to_end().goaway == NO_ERROR


def test_a_connection_that_never_asks(lab, way):
    gateway = way.gateway(lab.backend(), timeouts={"request_head": "200ms"})
    client = way.client(gateway)
    client.read_to_end()
    assert client.stream.ended == "fin"
    gateway.wait_metric("sluice_connections_open", 0)
