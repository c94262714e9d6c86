"""What two parsers might read differently never reaches a backend."""

import pytest

from conftest import Lab
from support.ambiguous_requests import BROKEN_CHUNKS, BROKEN_REQUESTS, SMUGGLED, get, post
from support.http_message import request_bytes
from support.stream import PeerClosed


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One gateway for the whole table: that it serves on after each case is part of what is shown."""
    lab = Lab(tmp_path_factory.mktemp("strict"))
    backend = lab.backend()
    yield lab, lab.gateway(backend), backend
    lab.close()


def ids(table):
    return [case[0].replace(" ", "-") for case in table]


@pytest.mark.parametrize("name,request_text,status", BROKEN_REQUESTS, ids=ids(BROKEN_REQUESTS))
def test_refused_with_the_connection(strict, name, request_text, status):
    lab, gateway, backend = strict
    before = len(backend.received())
    client = lab.client(gateway)
    client.send(request_text + SMUGGLED)
    response = client.response()
    assert response.status == status, name
    assert response.header("Connection").lower() == "close"
    assert response.header("Sluice-Error"), "the reason is named"
    client.expect_closed()
    assert len(backend.received()) == before, "something reached the backend"


@pytest.mark.parametrize("name,body", BROKEN_CHUNKS, ids=ids(BROKEN_CHUNKS))
def test_broken_chunks_never_make_a_whole_request(strict, name, body):
    lab, gateway, backend = strict
    requests = len(backend.requests)
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/chunks", [("Transfer-Encoding", "chunked")]) + body + SMUGGLED)
    assert client.response().status in (400, 431), name
    client.expect_closed()
    assert len(backend.requests) == requests
    assert b"smuggled" not in backend.received()


@pytest.mark.parametrize("name,request_text,status", BROKEN_REQUESTS[::7], ids=ids(BROKEN_REQUESTS[::7]))
def test_refused_behind_a_good_request(strict, name, request_text, status):
    lab, gateway, backend = strict
    requests = len(backend.requests)
    client = lab.client(gateway)
    client.send(get(line=b"GET /good HTTP/1.1") + request_text + SMUGGLED)
    assert client.response().status == 200
    assert client.response().status == status
    client.expect_closed()
    assert [request.target for request in backend.requests[requests:]] == ["/good"]


@pytest.mark.parametrize("name,request_text,status", BROKEN_REQUESTS[::9], ids=ids(BROKEN_REQUESTS[::9]))
def test_refused_when_it_drips(strict, name, request_text, status):
    lab, gateway, _ = strict
    client = lab.client(gateway)
    try:
        for at in range(len(request_text)):
            client.send(request_text[at:at + 1])
    except PeerClosed:
        pass  # refused as early as it could be told
    assert client.response().status == status


@pytest.mark.parametrize("request_text", [
    b"\r\n" + get(),
    get(host=b"Host:test.example"),
    get(host=b"Host: \t test.example \t "),
    get(host=b"hOsT: [::1]:8080"),
    get(b"X-A:"),
    get(b"X-A: b\tc"),
    get(b"X-A: \xe4"),
    get(line=b"GET /?a[]={b}|c HTTP/1.1"),
    get(line=b"GET /a/./b/../c//d HTTP/1.1"),
    post(b"Content-Length: 0005", body=b"hello"),
    post(b"Transfer-Encoding: CHUNKED", body=b"005\r\nhello\r\n000\r\n\r\n"),
    post(b"Transfer-Encoding: chunked", body=b'5;a;b=c;d="e f"\r\nhello\r\n0\r\nX-A: b\r\n\r\n'),
], ids=lambda text: repr(text[:60]))
def test_unusual_but_clear_requests_are_served(strict, request_text):
    lab, gateway, backend = strict
    requests = len(backend.requests)
    client = lab.client(gateway)
    client.send(request_text + get(line=b"GET /next HTTP/1.1"))
    assert [client.response().status, client.response().status] == [200, 200]
    assert backend.requests[requests].body in (b"", b"hello")
    assert backend.requests[requests + 1].target == "/next"


def test_the_table_is_large_enough():
    assert len(BROKEN_REQUESTS) >= 80
    assert len(set(ids(BROKEN_REQUESTS))) == len(BROKEN_REQUESTS)


def test_errors_are_counted_by_reason(lab):
    gateway = lab.gateway(lab.backend())
    for text in (get(host=None), get(host=None), get(b"X-A : b")):
        client = lab.client(gateway)
        client.send(text)
        assert client.response().status == 400
    gateway.wait_metric("sluice_parse_errors_total", 2, reason="missing_host")
    gateway.wait_metric("sluice_parse_errors_total", 1, reason="bad_header_name")
    gateway.wait_metric("sluice_requests_total", 3, route="none", status="4xx")
