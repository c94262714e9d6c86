"""Requests and responses of HTTP/2, to a backend that speaks HTTP/1.1: bodies and trailers both ways, interim answers."""

import threading

import pytest

from support.http2_way import BODY, way  # noqa: F401 (a fixture)
from support.http_message import chunked, response_bytes


# ---- requests -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "M-SEARCH"])
def test_methods(lab, way, method):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    assert client.request(method, "/a/b?c=d").status == 200
    request = backend.requests[0]
    assert (request.method, request.target, request.body) == (method, "/a/b?c=d", b"")
    assert not request.all("Transfer-Encoding") and not request.all("Content-Length")


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 300_000])
@pytest.mark.parametrize("with_length", [True, False])
def test_request_bodies(lab, way, size, with_length):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    fields = [("content-length", str(size))] if with_length else []
    assert client.request("POST", "/", fields, body=BODY[:size]).status == 200
    request = backend.requests[0]
    assert request.body == BODY[:size]
    assert request.header("Content-Length") == (str(size) if with_length else None)
    assert request.header("Transfer-Encoding") == (None if with_length else "chunked")


def test_a_body_in_small_pieces(lab, way):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    number = client.begin("POST", end=False)
    for at in range(300):
        client.send_now(number, BODY[at:at + 1])
    client.send_now(number, b"", end=True)
    assert client.answer(number).status == 200
    assert backend.requests[0].body == BODY[:300]


@pytest.mark.parametrize("body", [b"", b"body", BODY[:200_000]], ids=len)
def test_request_trailers(lab, way, body):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    assert client.request("POST", "/", body=body, trailers=[("x-sum", "42"), ("x-other", "1")]).status == 200
    assert backend.requests[0].body == body
    assert backend.requests[0].trailers == [("x-sum", "42"), ("x-other", "1")]


def test_a_request_head_of_many_fields(lab, way):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    fields = [(f"x-{number}", str(number) * 250) for number in range(90)]  # needs CONTINUATION frames
    assert client.request("GET", "/", fields).status == 200
    assert [one for one in backend.requests[0].headers if one[0].startswith("x-") and one[0][2:].isdigit()] == fields


# ---- responses ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 300_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_response_bodies(way, size, framing):
    def script(connection):
        connection.read_request()
        if framing == "close":
            connection.send(b"HTTP/1.1 200 OK\r\nX-Own: 1\r\n\r\n" + BODY[:size])
        elif framing == "chunked":
            connection.send(response_bytes(200, chunked(BODY[:size]) if size else chunked(), [("Transfer-Encoding", "chunked"), ("X-Own", "1")]))
        else:
            connection.respond(body=BODY[:size], headers=[("X-Own", "1")])

    answer = way.client_for(script).request()
    assert (answer.status, answer.body, answer.header("x-own")) == (200, BODY[:size], "1")
    assert answer.header("content-length") == (str(size) if framing == "length" else None)
    assert answer.header("transfer-encoding") is None and answer.header("connection") is None


@pytest.mark.parametrize("parts", [[], [b"body"], [BODY[:100_000], BODY[100_000:300_000]]], ids=len)
def test_response_trailers(way, parts):
    def script(connection):
        connection.read_request()
        trailers = b"X-Sum: 42\r\nContent-Length: 7\r\nX-Other: 1\r\n"
        connection.send(response_bytes(200, chunked(*parts, trailers=trailers), [("Transfer-Encoding", "chunked")]))

    answer = way.client_for(script).request()
    assert answer.body == b"".join(parts)
    assert answer.trailers == [("x-sum", "42"), ("x-other", "1")]


def test_fields_of_the_backends_connection_stay_there(way):
    def script(connection):
        connection.read_request()
        connection.respond(headers=[("Connection", "X-Hop, close"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close"),
                                    ("Upgrade", "h2c"), ("X-Stays", "1")])

    names = [name for name, _ in way.client_for(script).request().headers]
    assert "x-stays" in names
    assert not {"connection", "keep-alive", "proxy-connection", "upgrade", "x-hop", "transfer-encoding"} & set(names)


@pytest.mark.parametrize("method, status, length", [("HEAD", 200, "5"), ("HEAD", 404, "0"), ("GET", 204, None), ("GET", 304, "5"), ("DELETE", 205, "0")])
def test_answers_without_a_body(way, method, status, length):
    def script(connection):
        while True:
            connection.read_request()
            fields = [("Content-Length", length)] if length else []
            connection.send(response_bytes(status, b"", fields))

    client = way.client_for(script)
    for _ in range(2):  # the backend's connection is in step
        answer = client.request(method)
        assert (answer.status, answer.body, answer.header("content-length")) == (status, b"", length)
        assert answer.ended


def test_an_event_comes_when_it_happens(way):
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        connection.wait(sign)
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")

    client = way.client_for(script)
    answer = client.answers[client.begin()]
    client.wait(lambda: answer.body == b"first")
    sign.set()
    client.wait(lambda: answer.ended)
    assert answer.body == b"firstsecond"


def test_a_head_comes_before_its_body(way):
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        connection.wait(sign)
        connection.send(b"body")

    client = way.client_for(script)
    number = client.begin()
    assert client.head(number).status == 200
    sign.set()
    assert client.answer(number).body == b"body"


# ---- interim answers ------------------------------------------------------------------------------------------------

def test_interim_answers(way):
    def script(connection):
        connection.read_request()
        for link in (b"</a>", b"</b>"):
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: " + link + b"\r\n\r\n")
        connection.respond()

    answer = way.client_for(script).request()
    assert answer.interim == [(103, [("link", "</a>")]), (103, [("link", "</b>")])]
    assert (answer.status, answer.body) == (200, b"ok")


def test_expect_100_continue(way):
    def script(connection):
        assert connection.read_request_head().header("Expect") == "100-continue"
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.respond(body=connection.read_exactly(4))

    client = way.client_for(script)
    number = client.begin("POST", headers=[("expect", "100-continue"), ("content-length", "4")], end=False)
    client.wait(lambda: client.answers[number].interim)
    assert client.answers[number].interim == [(100, [])]
    client.send_body(number, b"body")
    assert client.answer(number).body == b"body"


def test_a_client_need_not_wait_for_the_100(lab, way):
    backend = lab.backend()
    client = way.client(way.gateway(backend))
    answer = client.request("POST", "/", [("expect", "100-continue"), ("content-length", "4")], body=b"body")
    assert answer.status == 200 and backend.requests[0].body == b"body"


def test_a_final_answer_in_place_of_the_100(way):
    def script(connection):
        connection.read_request_head()
        connection.respond(403, b"no", reason="Forbidden")
        connection.hang()

    client = way.client_for(script)
    number = client.begin("POST", headers=[("expect", "100-continue"), ("content-length", "4")], end=False)
    answer = client.answer(number)
    assert (answer.status, answer.body) == (403, b"no")
