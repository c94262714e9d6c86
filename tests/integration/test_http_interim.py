"""Expect: 100-continue and other interim answers."""

from support.http_message import request_bytes

EXPECTING = [("Expect", "100-continue"), ("Content-Length", "4")]


def test_expect_100_continue(lab):
    def script(connection):
        assert connection.read_request_head().header("Expect") == "100-continue"
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.respond(body=connection.read_exactly(4))

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("POST", "/", EXPECTING))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(b"body")
    assert client.response().body == b"body"


def test_a_client_need_not_wait_for_the_100(lab):
    """Nor must the backend know of it: who waited long enough sends the body (RFC 9110 10.1.1)."""
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    client.send(request_bytes("POST", "/", EXPECTING))
    backend.connection()
    client.send(b"body")
    assert client.response().status == 200
    assert backend.requests[0].body == b"body"


def test_a_silent_backend_is_late_not_the_client_that_waits_for_100(lab):
    def script(connection):
        connection.read_request_head()
        connection.hang()

    gateway = lab.gateway(lab.backend(script), timeouts={"request_body_idle": "200ms", "response_head": "500ms"})
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", EXPECTING))
    response = client.response()
    assert (response.status, response.header("Sluice-Error")) == (504, "response_timeout")


def test_after_100_it_is_the_client_that_may_be_late(lab):
    def script(connection):
        connection.read_request_head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.hang()

    gateway = lab.gateway(lab.backend(script), timeouts={"request_body_idle": "300ms", "response_head": "5s"})
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", EXPECTING))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    response = client.response()
    assert (response.status, response.header("Sluice-Error")) == (408, "request_body_timeout")


def test_a_refusal_instead_of_100_reaches_the_client(lab):
    def script(connection):
        connection.read_request_head()
        connection.respond(403, b"no", [("Connection", "close")], "Forbidden")

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("POST", "/", EXPECTING))
    assert client.response().status == 403


def sending(answer):
    def script(connection):
        while True:
            connection.read_request()
            connection.send(answer)

    return script


def test_early_hints_pass_to_1_1_clients_only(lab):
    backend = lab.backend(sending(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    gateway = lab.gateway(backend)
    response = lab.request(gateway)
    assert [(one.status, one.header("Link")) for one in response.interim] == [(103, "</a.css>; rel=preload")]
    assert lab.request(gateway, version="1.0").interim == []
