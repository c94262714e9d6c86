"""Requests and responses of HTTP/2, to a backend that speaks HTTP/1.1: bodies and trailers both ways, interim answers, windows, ends."""

import hashlib
import random
import threading

import pytest

from support.http2_client import Http2Client
from support.http_message import chunked, read_chunk, read_trailers, response_bytes
from support.raw_client import trusting
from support.stream import PeerClosed
from support.waiting import seconds, stays, wait_until

BODY = random.Random(2).randbytes(1_000_000)
NO_ERROR, INTERNAL_ERROR, CANCEL = 0, 2, 8
WINDOW = 65535


def listeners(ca):
    protocols = ["h2", "http/1.1"]
    return [{"name": "plain", "address": "127.0.0.1:0", "protocols": protocols},
            {"name": "tls", "address": "127.0.0.1:0", "protocols": protocols, "tls": {"certificates": [ca.issue("test.example").as_config()]}}]


class Way:
    """To a gateway: in the clear or over TLS."""

    def __init__(self, lab, ca, mode):
        self.lab, self.ca, self.mode = lab, ca, mode
        self.tls = trusting(ca.certificate, alpn=["h2"]) if mode == "tls" else None

    def gateway(self, *backends, **config):
        return self.lab.gateway(*backends, listeners=listeners(self.ca), **config)

    def client(self, gateway, **options):
        client = Http2Client.to(gateway.ports[self.mode], tls=self.tls, **options)
        self.lab.clients.append(client)
        return client

    def client_for(self, script, **config):
        """With a gateway and a backend of its own."""
        return self.client(self.gateway(self.lab.backend(script), **config))


@pytest.fixture(params=["plain", "tls"])
def way(request, lab, ca):
    return Way(lab, ca, request.param)


def digest(body):
    return hashlib.sha256(body).hexdigest().encode()


def answer_by_path(connection):
    """/BYTES: that many; else what the request's body was."""
    while True:
        request = connection.read_request(timeout=20)
        name = request.target[1:]
        connection.respond(body=BODY[:int(name)] if name.isdigit() else digest(request.body))


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
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond()

    gateway = way.gateway(lab.backend(script), timeouts={"keepalive_idle": "100ms"})
    client = way.client(gateway)
    number = client.begin()
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


# ---- what the gateway answers itself ---------------------------------------------------------------------------------

LOCAL = [
    {"name": "moved", "match": {"path": "/moved"}, "redirect": {"to": "https://other.example/", "status": 308}},
    {"name": "fixed", "match": {"path": "/fixed"}, "respond": {"status": 200, "body": "fixed", "headers": {"X-Own": "1"}}},
    {"name": "empty", "match": {"path": "/empty"}, "respond": {"status": 204}},
    {"name": "app", "match": {"path": "/app"}, "upstream": "app"},
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_local_answers(lab, way, method):
    gateway = way.gateway(lab.refusing(), routes=LOCAL)
    client = way.client(gateway)
    body = b"ignored" if method == "POST" else None
    answers = {path: client.request(method, path, body=body) for path in ("/moved", "/fixed", "/empty", "/none", "/app")}
    assert {path: answer.status for path, answer in answers.items()} == {"/moved": 308, "/fixed": 200, "/empty": 204, "/none": 404, "/app": 502}
    assert answers["/moved"].header("location") == "https://other.example/"
    assert answers["/fixed"].header("x-own") == "1"
    assert answers["/fixed"].body == (b"" if method == "HEAD" else b"fixed")
    assert answers["/none"].header("sluice-error") == "no_route" and answers["/app"].header("sluice-error") == "connect_refused"
    for answer in answers.values():
        assert answer.ended and answer.header("connection") is None and answer.header("date")


def test_error_pages(lab, way, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>gone</p>")
    client = way.client(way.gateway(lab.refusing(), route={"error_pages": {"502": f"file:{page}"}}))
    answer = client.request()
    assert (answer.status, answer.body, answer.header("content-type")) == (502, b"<p>gone</p>", "text/html; charset=utf-8")


def test_a_local_answer_does_not_wait_for_the_request(lab, way):
    """The rest of it is not wanted, and that is no error (RFC 9113 8.1)."""
    client = way.client(way.gateway(lab.refusing(), routes=LOCAL))
    number = client.begin("POST", "/fixed", end=False)
    answer = client.answer(number)
    assert (answer.status, answer.body, answer.ended) == (200, b"fixed", True)
    client.wait(lambda: answer.reset is not None)
    assert answer.reset == NO_ERROR
    assert client.request(path="/fixed").status == 200


def test_log_and_metrics(lab, way):
    backend = lab.backend()
    gateway = way.gateway(backend)
    client = way.client(gateway)
    client.request("POST", "/a?b", [("user-agent", "h2 test"), ("content-length", "4")], body=b"body")
    line = gateway.wait_log(target="/a?b")
    assert (line["version"], line["method"], line["status"], line["host"]) == ("HTTP/2.0", "POST", 200, "test.example")
    assert line["bytes_received"] == 4 and line["bytes_sent"] == 2
    assert gateway.metric("sluice_requests_total", route="all", method="POST", status="2xx") == 1
    client.request()
    gateway.wait_log(target="/")
    assert gateway.metric("sluice_connections_open") == 1
    assert gateway.metric("sluice_connections_accepted_total") == 1


# ---- HTTP/1.1 beside it ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("alpn", [None, ["http/1.1"], ["http/1.1", "h2"]])
def test_alpn(lab, ca, alpn):
    """The gateway's order counts: h2 where the client knows it."""
    gateway = lab.gateway(lab.backend(), listeners=listeners(ca))
    client = lab.client(gateway, "tls", tls=trusting(ca.certificate, alpn=alpn), server_name="test.example")
    if alpn and "h2" in alpn:
        assert client.socket.selected_alpn_protocol() == "h2"
        assert Http2Client(client).request().status == 200
    else:
        assert client.socket.selected_alpn_protocol() == ("http/1.1" if alpn == ["http/1.1"] else None)
        assert client.request().version == "1.1"


@pytest.mark.parametrize("begin", [b"P", b"PR", b"PRI", b"PRI * HTTP/2.0\r\n\r\n", b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n"])
def test_what_only_begins_like_the_preface(lab, ca, begin):
    gateway = lab.gateway(lab.backend(), listeners=listeners(ca))
    client = lab.client(gateway)
    for byte in begin:
        client.send(bytes([byte]))
    if begin.startswith(b"POST"):
        assert client.response().status == 200
    else:
        client.send(b"X / HTTP/1.1\r\n\r\n")
        assert client.response().status >= 400


def test_h2_where_it_is_not_spoken(lab):
    """The preface is no request of HTTP/1.1."""
    client = lab.client(lab.gateway(lab.backend()))
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.response().status in (400, 505)


def test_upgrades_to_h2c_are_passed_over(lab, ca):
    gateway = lab.gateway(lab.backend(), listeners=listeners(ca))
    response = lab.request(gateway, headers=[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAA")])
    assert response.status == 200
