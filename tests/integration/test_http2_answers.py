"""What the gateway itself answers over HTTP/2, what it tells of it, and HTTP/1.1 beside it."""

import pytest

from support.http2_client import Http2Client
from support.http2_way import listeners, way  # noqa: F401 (a fixture)
from support.raw_client import trusting

NO_ERROR = 0


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


def test_a_listener_without_h2_does_not_agree_on_it(lab, ca):
    plain, secure = listeners(ca)
    gateway = lab.gateway(lab.backend(), listeners=[plain, {**secure, "protocols": ["http/1.1"]}])
    client = lab.client(gateway, "tls", tls=trusting(ca.certificate, alpn=["h2", "http/1.1"]), server_name="test.example")
    assert client.socket.selected_alpn_protocol() == "http/1.1"
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
