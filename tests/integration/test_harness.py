"""The harness itself, client against backend without a gateway between: what it reports must be true."""

import hashlib

import pytest

from support import websocket
from support.config_text import config_for, to_yaml
from support.http_message import chunked, read_response, request_bytes
from support.metrics_text import Metrics
from support.raw_backend import echo_websocket
from support.raw_client import RawClient, trusting
from support.stream import PeerClosed, PeerReset


@pytest.fixture
def connect(lab):
    def connect_to(backend, **options):
        client = RawClient(backend.port, **options)
        lab.clients.append(client)
        return client

    return connect_to


def test_keep_alive_and_recording(lab, connect):
    backend = lab.backend()
    client = connect(backend)
    for number in range(3):
        assert client.request("POST", f"/{number}", body=b"x" * number).body == b"ok"
    assert [request.target for request in backend.requests] == ["/0", "/1", "/2"]
    assert backend.received().startswith(b"POST /0 HTTP/1.1\r\nHost: test.example\r\n\r\n")


def test_chunked_with_trailers(lab, connect):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + chunked(b"one", b"two", trailers=b"X-Sum: 6\r\n"))

    response = connect(lab.backend(script)).request()
    assert (response.body, response.trailers) == (b"onetwo", [("X-Sum", "6")])


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
])
def test_the_parser_forgives_nothing(lab, connect, answer):
    client = connect(lab.backend(lambda connection: (connection.read_request(), connection.send(answer))))
    with pytest.raises(AssertionError):
        client.request()


def test_endings_are_told_apart(lab, connect):
    def script(connection):
        connection.read_request()
        if connection.index == 0:
            connection.reset()

    backend = lab.backend(script)
    with pytest.raises(PeerReset):
        connect(backend).request()
    with pytest.raises(PeerClosed) as closed:
        connect(backend).request()
    assert closed.type is PeerClosed


def test_a_failing_script_is_reported(lab):
    backend = lab.backend(lambda connection: (connection.read_request(), 1 / 0))
    with pytest.raises(PeerClosed):
        RawClient(backend.port).request()
    backend.close()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        backend.check()
    backend.errors.clear()


def test_websocket_frames(lab, connect):
    client = connect(lab.backend(echo_websocket))
    websocket.open_websocket(client)
    for payload in (b"", b"a", b"b" * 126, b"c" * 70000):
        client.send_frame(websocket.BINARY, payload)
        frame = client.read_frame()
        assert (frame.opcode, frame.payload, frame.fin) == (websocket.BINARY, payload, True)
    client.send_frame(websocket.CLOSE, websocket.close_payload(1000))
    assert client.read_frame().close_code == 1000
    client.expect_closed()


def test_tls_with_verification(lab, connect, ca):
    backend = lab.backend(tls=ca.issue("a.test", "*.b.test").server_context())
    for name in ("a.test", "x.b.test"):
        assert connect(backend, tls=trusting(ca.certificate), server_name=name).request().status == 200


def test_refusing_and_hanging_endpoints(lab):
    with pytest.raises(ConnectionRefusedError):
        RawClient(lab.refusing().port)
    with pytest.raises(TimeoutError):
        RawClient(lab.black_hole().port, timeout=0.3)


def test_uvicorn_application(lab, connect):
    client = connect(lab.uvicorn())
    body = client.request("GET", "/download/100000").body
    assert len(body) == 100000
    answer = client.request("POST", "/upload", body=body).body.decode()
    assert hashlib.sha256(body).hexdigest() in answer
    client.send(request_bytes("GET", "/events/3"))
    assert read_response(client).body.count(b"data: event") == 3
    upgraded = connect(lab.backends[0])
    response = websocket.open_websocket(upgraded, extra=[("Sec-WebSocket-Protocol", "one, two")])
    assert response.header("Sec-WebSocket-Protocol") == "one"


def test_configuration_text():
    text = to_yaml(config_for("http://127.0.0.1:1", route={"match": {"hosts": ["*.a.test"], "path_prefix": "/x"}},
                              timeouts={"connect": "off"}, access_log={"format": "off"}))
    assert 'hosts: ["*.a.test"]' in text
    assert "connect: off" in text and "drain: 500ms" in text
    assert "  - name: all\n    upstream: app\n    match:\n      hosts" in text


def test_metrics_text():
    metrics = Metrics('# TYPE a counter\na{x="1",y="2"} 3\na{x="1",y="3"} 4\n# TYPE b gauge\nb 1e+06\n')
    assert metrics.value("a", x="1") == 7
    assert metrics.value("a", x="1", y="3") == 4
    assert metrics.value("b") == 1000000
    with pytest.raises(AssertionError):
        Metrics("a{ 3\n")
