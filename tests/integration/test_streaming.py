"""Bodies as streams: at once, in any size, at the slower side's pace."""

import hashlib
import threading

import pytest

from support.http_message import chunked, read_chunk, read_response_head, request_bytes
from support.stream import PeerClosed
from support.waiting import wait_until

MIB = 2**20
SIZE = 100 * MIB


def test_server_sent_events_arrive_at_once(lab):
    signs = [threading.Event() for _ in range(3)]

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, sign in enumerate(signs):
            connection.wait(sign)
            event = b"data: %d\n\n" % number
            connection.send(b"%x\r\n%s\r\n" % (len(event), event))
        connection.hang()

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("GET", "/events"))
    head = read_response_head(client)
    assert head.header("Content-Type") == "text/event-stream"
    for number, sign in enumerate(signs):
        client.expect_silence(0.05)
        sign.set()
        assert read_chunk(client, timeout=1) == b"data: %d\n\n" % number


def test_the_head_arrives_before_the_body(lab):
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        connection.wait(sign)
        connection.send(b"later")

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes())
    read_response_head(client, timeout=1)
    sign.set()
    assert client.read_exactly(5) == b"later"


def test_a_long_poll_is_answered_when_the_backend_answers(lab):
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=b"news")

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("GET", "/poll"))
    client.expect_silence(0.2)
    sign.set()
    assert client.response(timeout=1).body == b"news"


def test_an_upload_streams_before_it_is_whole(lab):
    arrived = threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.read_until(b"first")
        arrived.set()
        connection.read_until(b"0\r\n\r\n")
        connection.respond()

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")], b"5\r\nfirst\r\n"))
    wait_until(arrived.is_set, "the first chunk at the backend", 1)
    client.send(chunked(b"second"))
    assert client.response().status == 200


@pytest.mark.parametrize("stage", ["before the head", "in the body"])
def test_a_client_that_leaves_cancels_its_upstream_exchange(lab, stage):
    def script(connection):
        connection.read_request()
        if stage == "in the body":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart")
        connection.hang()

    backend = lab.backend(script)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(request_bytes("GET", "/leaving"))
    backend.wait_for_request()
    if stage == "in the body":
        client.read_until(b"part")
    client.close()
    wait_until(backend.connection().finished.is_set, "the upstream connection to be closed")
    gateway.wait_metric("sluice_requests_total", 1, status="499", route="all")
    assert gateway.wait_log(target="/leaving")["status"] == 499


@pytest.mark.parametrize("close", [True, False])
def test_an_early_answer_during_an_upload_reaches_the_client(lab, close):
    """The backend answers 401 after the head and reads no further; the client is still sending."""
    def script(connection):
        connection.read_request_head()
        connection.respond(401, b"who are you?", [("Connection", "close")] if close else [], "Unauthorized")
        if not close:
            connection.hang()

    client = lab.client(lab.gateway(lab.backend(script, receive_buffer=4096)))
    client.send(request_bytes("POST", "/", [("Content-Length", str(SIZE))]))
    try:
        client.send_until_blocked(bytes(MIB), 16 * MIB, quiet=0.2)
    except PeerClosed:
        pass  # the gateway stopped reading; the answer must be readable all the same
    response = client.response()
    assert (response.status, response.body) == (401, b"who are you?")
    client.read_until_closed()


def pattern_hash(size):
    block, digest = bytes(range(256)) * 256, hashlib.sha256()
    for _ in range(size // len(block)):
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.deadline(90)
def test_a_large_download_through_uvicorn(lab):
    client = lab.client(lab.gateway(lab.uvicorn()), record=False)
    client.send(request_bytes("GET", f"/download/{SIZE}"))
    head, digest = read_response_head(client), hashlib.sha256()
    assert head.header("Content-Length") == str(SIZE)
    for block in client.blocks(SIZE):
        digest.update(block)
    assert digest.hexdigest() == pattern_hash(SIZE)
    assert client.request("GET", "/hello").status == 200


@pytest.mark.slow
@pytest.mark.deadline(90)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_through_uvicorn(lab, framing):
    client = lab.client(lab.gateway(lab.uvicorn()), timeout=30)
    block = bytes(range(256)) * 256
    if framing == "length":
        client.send(request_bytes("POST", "/upload", [("Content-Length", str(SIZE))]))
        for _ in range(SIZE // len(block)):
            client.send(block)
    else:
        client.send(request_bytes("POST", "/upload", [("Transfer-Encoding", "chunked")]))
        piece = b"%x\r\n%s\r\n" % (len(block), block)
        for _ in range(SIZE // len(block)):
            client.send(piece)
        client.send(b"0\r\n\r\n")
    answer = client.response().body.decode()
    assert pattern_hash(SIZE) in answer and str(SIZE) in answer


def test_a_slow_reader_slows_the_backend(lab):
    """Back-pressure on a download: the backend is held up, not buffered for."""
    sent = []

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sent.append(connection.send_until_blocked(bytes(MIB), SIZE, quiet=0.3))
        connection.send(bytes(SIZE - sent[0]))

    backend = lab.backend(script)
    gateway = lab.gateway(backend)
    client = lab.client(gateway, receive_buffer=65536, record=False, timeout=20)
    before = gateway.rss_mib()
    client.send(request_bytes())
    wait_until(lambda: sent, "the backend to be blocked", 20)
    assert sent[0] < SIZE / 2, f"{sent[0] / MIB:.0f} MiB were taken for a client that reads nothing"
    assert gateway.rss_mib() - before < 16
    read_response_head(client)
    assert sum(len(block) for block in client.blocks(SIZE)) == SIZE


def test_a_slow_backend_slows_an_upload(lab):
    sign = threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.wait(sign, 25)
        assert sum(len(block) for block in connection.blocks(SIZE)) == SIZE
        connection.respond()

    gateway = lab.gateway(lab.backend(script, receive_buffer=65536, record=False))
    before = gateway.rss_mib()
    client = lab.client(gateway, timeout=20)
    client.send(request_bytes("POST", "/", [("Content-Length", str(SIZE))]))
    sent = client.send_until_blocked(bytes(MIB), SIZE, quiet=0.5)
    assert sent < SIZE / 2, f"{sent / MIB:.0f} MiB were taken for a backend that reads nothing"
    assert gateway.rss_mib() - before < 16
    sign.set()
    client.send(bytes(SIZE - sent))
    assert client.response().status == 200


def test_body_bytes_are_counted(lab):
    gateway = lab.gateway(lab.backend(lambda connection: (connection.read_request(),
                                                          connection.respond(body=b"y" * 700))))
    assert lab.request(gateway, "POST", body=b"x" * 300).status == 200
    gateway.wait_metric("sluice_requests_total", 1, route="all", method="POST", status="2xx")
    metrics = gateway.metrics()
    assert metrics.value("sluice_upstream_sent_bytes_total", upstream="app") == 300
    assert metrics.value("sluice_upstream_received_bytes_total", upstream="app") == 700
