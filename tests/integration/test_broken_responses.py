"""A response that is not whole must not look whole to the client, and what is behind one belongs to nobody."""

import ssl
import threading

import pytest

from support import freeze
from support.http_message import chunked, read_chunk, read_response_head, request_bytes, response_bytes
from support.raw_client import blind
from support.waiting import wait_until

PLAIN = {"name": "web", "address": "127.0.0.1:0"}
SECURE = {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}


# a backend that dies in the middle of its answer, whatever its status

@pytest.fixture(params=[200, 502])
def dying(lab, request):
    """A gateway whose backend closes in the middle of a chunked body, once `die` is set."""
    die = threading.Event()

    def script(connection):
        connection.read_request()
        whole = response_bytes(request.param, chunked(b"begin"), [("Transfer-Encoding", "chunked")])
        connection.send(whole[:-len(b"0\r\n\r\n")])
        connection.wait(die)

    gateway = lab.gateway(lab.backend(script), listeners=[PLAIN, SECURE])
    yield gateway, request.param, die
    die.set()


def begin(client, version, status):
    client.send(request_bytes(version=version))
    head = read_response_head(client)
    assert head.status == status
    return head


def test_an_http_1_0_client_sees_a_reset(lab, dying):
    gateway, status, die = dying
    client = lab.client(gateway, "web")
    head = begin(client, "1.0", status)
    assert head.header("Transfer-Encoding") is None and head.header("Content-Length") is None
    assert client.read_exactly(5) == b"begin"
    die.set()
    client.expect_closed()
    assert client.ended == "reset", "a plain end would make the body look whole"


def test_an_http_1_1_client_sees_no_last_chunk(lab, dying):
    gateway, status, die = dying
    client = lab.client(gateway, "web")
    begin(client, "1.1", status)
    assert read_chunk(client) == b"begin"
    die.set()
    client.expect_closed()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_tls_client_sees_no_close_notify(lab, dying, version):
    gateway, status, die = dying
    context = blind()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    client = lab.client(gateway, "secure", tls=context, server_name="localhost")
    client.socket.suppress_ragged_eofs = False
    begin(client, version, status)
    client.read_until(b"begin")
    die.set()
    try:
        client.read_until_closed()
        assert client.ended == "reset", "an orderly end of TLS"
    except ssl.SSLError:
        pass  # as it should be; an orderly end raises nothing


# a reset right behind the last bytes of a body that ends with the connection

@pytest.mark.parametrize("size", [1, 200, 255, 256, 257, 511, 512, 513, 65536])
def test_a_reset_behind_the_bytes_is_no_end_of_the_body(lab, size):
    """The sizes are those around the gateway's reads: its kernel tells of a reset only once."""
    die = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbegin")
        connection.wait(die)
        connection.send(bytes(size))
        freeze.wait_delivered(connection)
        connection.reset()

    backend = lab.backend(script)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    begin(client, "1.1", 200)
    assert read_chunk(client) == b"begin"
    with freeze.stopped(gateway):
        die.set()
        wait_until(backend.connection().finished.is_set, "the reset")
        freeze.wait_reset_arrived(gateway, remote=backend.port)
    assert not client.read_until_closed().endswith(b"0\r\n\r\n"), "the body looks whole"
    gateway.wait_metric("sluice_upstream_failures_total", 1, upstream="app", reason="body_truncated")


# bytes behind a response

READ_AT_ONCE = 16384  # what the gateway reads while it waits for a response head
POISON = response_bytes(200, b"poison")


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [300, READ_AT_ONCE, READ_AT_ONCE + 65536])
def test_bytes_behind_a_response_are_no_answer_to_the_next_request(lab, ca, secure, size):
    """The client's next request is there already when the response ends where a read of the gateway's ends."""
    send, sent = threading.Event(), threading.Event()
    empty = len(response_bytes(200, b"", [("Content-Length", "12345")]))
    right = response_bytes(200, bytes(size - empty), [("Content-Length", f"{size - empty:05}")])

    def script(connection):
        connection.read_request()
        if connection.index > 0:
            return connection.respond(body=b"also right")
        connection.wait(send)
        connection.send(right + POISON)
        freeze.wait_delivered(connection)
        sent.set()
        connection.hang()

    backend = lab.backend(script, tls=ca.issue("127.0.0.1").server_context() if secure else None)
    gateway = lab.gateway(backend, workers=1, upstream={"tls": {"ca": str(ca.certificate)}})
    client = lab.client(gateway)
    client.send(request_bytes() * 2)
    backend.wait_for_request()
    with freeze.stopped(gateway):
        send.set()
        wait_until(sent.is_set, "the response and what is behind it")
    assert client.response().body == bytes(size - empty)
    assert client.response().body == b"also right"
    wait_until(backend.connection().finished.is_set, "the talking connection to be closed")


# a response that overtakes its request

@pytest.mark.parametrize("who", ["backend", "gateway"])
def test_a_response_that_overtakes_its_request_ends_the_connection(lab, who):
    def script(connection):
        connection.read_request_head()
        connection.respond(body=b"early")
        connection.hang()

    gateway = lab.gateway(lab.backend(script)) if who == "backend" else lab.gateway(
        routes=[{"name": "all", "respond": {"status": 200, "body": "early"}}])
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Content-Length", "10")]) + b"first")
    response = client.response()
    assert (response.status, response.body) == (200, b"early")
    assert response.header("Connection").lower() == "close"
    client.send(b"other" + request_bytes("GET", "/next"))
    client.expect_closed()
