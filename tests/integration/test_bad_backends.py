"""Backends that crash, hang, reset or talk nonsense at every stage of a request."""

import threading

import pytest

from support.http_message import read_response_head, request_bytes
from support.stream import PeerReset
from support.waiting import wait_until

SHORT = {"connect": "300ms", "response_head": "300ms", "response_body_idle": "300ms"}
OK = b"HTTP/1.1 200 OK\r\n"


def close_at_once(_connection):
    pass


def reset_at_once(connection):
    connection.reset()


def after_request(*sent, end="close"):
    """Reads the request, sends bytes, then closes, resets or hangs."""
    def script(connection):
        connection.read_request()
        for data in sent:
            connection.send(data)
        if end == "reset":
            connection.reset()
        elif end == "hang":
            connection.hang()

    return script


def hang_before_reading(connection):
    connection.hang()


NO_ANSWER = [
    ("closes at once", close_at_once, 502, "reset"),
    ("resets at once", reset_at_once, 502, "reset"),
    ("closes after the request", after_request(), 502, "reset"),
    ("resets after the request", after_request(end="reset"), 502, "reset"),
    ("closes in the status line", after_request(b"HTTP/1.1 20"), 502, "bad_response"),
    ("resets in the status line", after_request(b"HTTP/1.1 20", end="reset"), 502, "bad_response"),
    ("closes in the head", after_request(OK + b"Content-Le"), 502, "bad_response"),
    ("resets in the head", after_request(OK + b"Content-Le", end="reset"), 502, "bad_response"),
    ("closes after an interim answer", after_request(b"HTTP/1.1 103 Early Hints\r\n\r\n"), 502, "bad_response"),
    ("hangs without reading", hang_before_reading, 504, "response_timeout"),
    ("hangs after the request", after_request(end="hang"), 504, "response_timeout"),
    ("hangs in the status line", after_request(b"HTTP/1.1 20", end="hang"), 504, "response_timeout"),
    ("hangs in the head", after_request(OK + b"Content-Le", end="hang"), 504, "response_timeout"),
    ("hangs after an interim answer", after_request(b"HTTP/1.1 103 Early Hints\r\n\r\n", end="hang"), 504,
     "response_timeout"),
]

BAD_HEADS = [
    ("garbage", b"\x00\x01\x02 what is this?\r\n\r\n"),
    ("garbage without a line end", b"x" * 200000),
    ("HTTP/0.9", b"<html>hello</html>"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("HTTP/2", b"HTTP/2 200\r\n\r\n"),
    ("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("status with letters", b"HTTP/1.1 2x0 OK\r\n\r\n"),
    ("status under 100", b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n"),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("length and chunked", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("length repeated, different", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
    ("length repeated, equal", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    ("length as a list", OK + b"Content-Length: 2, 2\r\n\r\nok"),
    ("length negative", OK + b"Content-Length: -2\r\n\r\nok"),
    ("length that is no number", OK + b"Content-Length: two\r\n\r\nok"),
    ("length over 64 bits", OK + b"Content-Length: 18446744073709551618\r\n\r\nok"),
    ("coding gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nok"),
    ("coding twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("folded field", OK + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok"),
    ("space before the colon", OK + b"Content-Length : 2\r\n\r\nok"),
    ("NUL in a value", OK + b"X-A: \x00\r\nContent-Length: 2\r\n\r\nok"),
    ("CR in a value", OK + b"X-A: a\rb\r\nContent-Length: 2\r\n\r\nok"),
    ("no colon", OK + b"X-A\r\nContent-Length: 2\r\n\r\nok"),
    ("endless head", OK + b"X-A: b\r\n" * 20000 + b"\r\n"),
    ("101 that nobody asked for",
     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    ("a flood of interim answers", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20000),
]

BAD_BODIES = [
    ("closes in a body with a length", OK + b"Content-Length: 100\r\n\r\npart", "close"),
    ("resets in a body with a length", OK + b"Content-Length: 100\r\n\r\npart", "reset"),
    ("hangs in a body with a length", OK + b"Content-Length: 100\r\n\r\npart", "hang"),
    ("closes between chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "close"),
    ("closes in a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n8\r\nhalf", "close"),
    ("closes before the last line", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n", "close"),
    ("resets between chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "reset"),
    ("hangs between chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "hang"),
    ("bad chunk size", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n", "hang"),
    ("chunk longer than its size", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart more\r\n0\r\n\r\n", "hang"),
    ("bad trailer", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\nX A: b\r\n\r\n", "hang"),
    ("resets in a body without framing", OK + b"\r\npart", "reset"),
]


def ids(table):
    return [case[0].replace(" ", "-") for case in table]


def check_refusal(gateway, client, status, reason, target="/failing"):
    """An answer of the gateway's own: short, with its reason, logged and counted."""
    client.send(request_bytes("GET", target))
    response = client.response()
    assert response.status == status
    assert response.header("Sluice-Error") == reason
    assert 0 < len(response.body) < 1000
    gateway.wait_metric("sluice_requests_total", 1, route="all", method="GET", status="5xx")
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason=reason) >= 1
    line = gateway.wait_log(target=target)
    assert (line["status"], line["failure"]) == (status, reason)


@pytest.mark.parametrize("name,script,status,reason", NO_ANSWER, ids=ids(NO_ANSWER))
def test_no_answer(lab, name, script, status, reason):
    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts=SHORT)
    client = lab.client(gateway)
    check_refusal(gateway, client, status, reason)
    wait_until(lambda: all(one.finished.is_set() for one in backend.connections), "the upstream connection to end")


def test_a_failure_does_not_cost_the_client_its_connection(lab):
    gateway = lab.gateway(lab.backend(after_request()))
    client = lab.client(gateway)
    for _ in range(3):
        assert client.request().status == 502


@pytest.mark.parametrize("name,answer", BAD_HEADS, ids=ids(BAD_HEADS))
def test_bad_head(lab, name, answer):
    def script(connection):
        connection.read_request()
        if connection.index:
            connection.respond()
        else:
            connection.send(answer)
            connection.hang() if name != "HTTP/0.9" else None

    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts=SHORT, workers=1)
    client = lab.client(gateway)
    check_refusal(gateway, client, 502, "bad_upgrade" if name.startswith("101") else "bad_response")
    assert lab.request(gateway).status == 200
    assert len(backend.connections) == 2, "a connection with bad framing is never used again"
    wait_until(backend.connections[0].finished.is_set, "the bad connection to be closed")


@pytest.mark.parametrize("name,answer,end", BAD_BODIES, ids=ids(BAD_BODIES))
def test_bad_body(lab, name, answer, end):
    """The head is out already: all that is left is to cut the client's connection, so that it sees no whole body."""
    backend = lab.backend(after_request(answer, end=end))
    gateway = lab.gateway(backend, timeouts=SHORT)
    client = lab.client(gateway)
    client.send(request_bytes("GET", "/cut"))
    head = read_response_head(client)
    if end == "hang" and head.status == 502:  # seen before the head went out: better still
        assert head.header("Sluice-Error") == "bad_body"
        return
    assert head.status == 200
    rest = client.read_until_closed()
    assert b"0\r\n\r\n" not in rest and b"HTTP/1.1" not in rest
    assert head.header("Transfer-Encoding") or len(rest) < 100
    wait_until(backend.connection().finished.is_set, "the upstream connection to end")
    line = gateway.wait_log(target="/cut")
    assert line["status"] == 200
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason=line["failure"]) == 1


@pytest.mark.parametrize("surplus", [b"x", OK + b"Content-Length: 6\r\n\r\npoison"])
@pytest.mark.parametrize("framing", [b"Content-Length: 2\r\n\r\nok",
                                     b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"])
def test_a_connection_with_surplus_bytes_is_never_reused(lab, surplus, framing):
    backend = lab.backend(after_request(OK + framing + surplus, end="hang"))
    client = lab.client(lab.gateway(backend, workers=1))
    for number in range(1, 3):
        assert client.request().body == b"ok"
        assert len(backend.connections) == number
        wait_until(backend.connections[-1].finished.is_set, "that connection to be closed")


@pytest.mark.parametrize("method,head", [("HEAD", OK + b"Content-Length: 2\r\n\r\nok"),
                                         ("GET", b"HTTP/1.1 204 No Content\r\n\r\nok"),
                                         ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok")])
def test_a_body_where_none_may_be_is_not_passed_on(lab, method, head):
    backend = lab.backend(after_request(head, end="hang"))
    client = lab.client(lab.gateway(backend))
    assert client.request(method).body == b""
    assert client.request(method).body == b""
    assert len(backend.connections) == 2


@pytest.mark.parametrize("poison", [OK + b"Content-Length: 6\r\n\r\npoison", b"x"], ids=["response", "byte"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_bytes_before_any_request_are_no_answer(lab, ca, secure, poison):
    """A backend that talks into an idle pooled connection: the next request must not get that as its answer."""
    idle, sent = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request()
        connection.respond(body=b"right")
        if connection.index == 0:
            connection.wait(idle)
            connection.send(poison)
            sent.set()
            connection.hang()

    backend = lab.backend(script, tls=ca.issue("127.0.0.1").server_context() if secure else None)
    gateway = lab.gateway(backend, workers=1, upstream={"tls": {"ca": str(ca.certificate)}})
    client = lab.client(gateway)
    assert client.request().body == b"right"
    gateway.wait_metric("sluice_upstream_connections_idle", 1)
    idle.set()
    wait_until(sent.is_set, "the surplus bytes")
    assert client.request().body == b"right"
    assert len(backend.connections) == 2
    wait_until(backend.connection().finished.is_set, "the talking connection to be closed")


def test_a_backend_that_dies_during_an_upload(lab):
    def script(connection):
        connection.read_request_head()
        connection.read_exactly(1000)
        connection.reset()

    gateway = lab.gateway(lab.backend(script))
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Content-Length", "100000000")]))
    try:
        client.send_until_blocked(bytes(65536), 20_000_000)
    except PeerReset:
        pass
    assert client.response().status == 502


def test_a_backend_that_stops_reading_an_upload(lab):
    over = threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.wait(over)

    gateway = lab.gateway(lab.backend(script, receive_buffer=4096), timeouts=SHORT)
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Content-Length", "100000000")]))
    try:
        client.send_until_blocked(bytes(65536), 50_000_000)
    except PeerReset:
        pass
    assert client.response().status == 504
    over.set()


def test_no_endpoint_accepts(lab):
    gateway = lab.gateway(lab.refusing(), lab.refusing())
    check_refusal(gateway, lab.client(gateway), 502, "connect_refused")


def test_the_connect_timeout(lab):
    gateway = lab.gateway(lab.black_hole(), timeouts=SHORT)
    check_refusal(gateway, lab.client(gateway), 504, "connect_timeout")
