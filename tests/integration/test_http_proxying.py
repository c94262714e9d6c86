"""Plain HTTP/1.1 proxying: connections, framing, message forms."""

import pytest

from support.http_message import chunked, read_response, request_bytes
from support.waiting import wait_until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answering(*answers):
    """A script that answers the n-th request of a connection with the n-th bytes, the last one over and over."""
    def script(connection):
        number = 0
        while True:
            connection.read_request()
            connection.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def test_keep_alive_on_both_sides(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    for number in range(5):
        assert client.request("GET", f"/{number}").body == b"ok"
    assert len(backend.connections) == 1
    assert [request.target for request in backend.requests] == [f"/{number}" for number in range(5)]
    gateway.wait_metric("sluice_upstream_pool_hits_total", 4, upstream="app")
    gateway.wait_metric("sluice_upstream_pool_misses_total", 1, upstream="app")


def test_a_pooled_connection_is_shared_by_clients(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, workers=1)
    for _ in range(3):
        assert lab.request(gateway).status == 200
    assert len(backend.connections) == 1


def test_a_pooled_connection_that_the_backend_closed_is_not_used(lab):
    def script(connection):
        connection.read_request()
        connection.respond()

    backend = lab.backend(script)
    gateway = lab.gateway(backend, workers=1)
    client = lab.client(gateway)
    for number in range(5):
        assert client.request("POST", body=b"not repeatable").status == 200
        gateway.wait_metric("sluice_upstream_connections_idle", 0)
        assert len(backend.connections) == number + 1


def test_connection_close_is_honoured(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    response = client.request(headers=[("Connection", "close")])
    assert response.header("Connection").lower() == "close"
    client.expect_closed()


def test_the_backends_connection_close_ends_only_its_own_connection(lab):
    def script(connection):
        connection.read_request()
        connection.respond(headers=[("Connection", "close")])

    backend = lab.backend(script)
    client = lab.client(lab.gateway(backend))
    for _ in range(3):
        assert client.request().header("Connection") is None
    assert len(backend.connections) == 3


def test_pipelined_requests_are_answered_in_order(lab):
    def script(connection):
        while True:
            request = connection.read_request()
            connection.respond(body=request.target.encode() + request.body)

    client = lab.client(lab.gateway(lab.backend(script)))
    client.send(request_bytes("GET", "/a") + request_bytes("POST", "/b", body=b"-body")
                + request_bytes("POST", "/c", [("Transfer-Encoding", "chunked")], chunked(b"-chu", b"nked"))
                + request_bytes("GET", "/d"))
    assert [client.response().body for _ in range(4)] == [b"/a", b"/b-body", b"/c-chunked", b"/d"]


def test_a_request_in_single_bytes(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    for byte in request_bytes("POST", "/drip", [("Transfer-Encoding", "chunked")], chunked(b"drip", b"drop")):
        client.send(bytes([byte]))
    assert client.response().status == 200
    assert backend.requests[0].body == b"dripdrop"


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 1_000_000])
def test_bodies_with_a_length(lab, size):
    body = bytes(size)
    backend = lab.backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body))
    client = lab.client(lab.gateway(backend))
    response = client.request("POST", "/", [("Content-Length", str(size))], body)
    assert response.body == body and response.header("Content-Length") == str(size)
    assert backend.requests[0].body == body
    assert backend.requests[0].header("Content-Length") == str(size)


def test_chunked_bodies(lab):
    backend = lab.backend(answering(CHUNKED + chunked(b"a" * 70000, b"b")))
    client = lab.client(lab.gateway(backend))
    response = client.request("POST", "/", [("Transfer-Encoding", "chunked")], chunked(b"c", b"d" * 70000))
    assert response.body == b"a" * 70000 + b"b"
    assert response.header("Transfer-Encoding") == "chunked"
    assert backend.requests[0].body == b"c" + b"d" * 70000
    assert client.request().status == 200


def test_chunk_extensions_are_not_forwarded(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")], b'3;a=b;c="d;e"\r\nabc\r\n0;x\r\n\r\n'))
    assert client.response().status == 200
    assert backend.requests[0].body == b"abc"
    assert b"a=b" not in backend.received()


def test_trailers_pass_but_not_dangerous_ones(lab):
    trailers = (b"X-Sum: 6\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil.example\r\n"
                b"Authorization: Basic eA==\r\nCookie: a=b\r\nConnection: close\r\n")
    backend = lab.backend(answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        + chunked(b"abc", trailers=b"X-Sum: 7\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n")))
    client = lab.client(lab.gateway(backend))
    response = client.request("POST", "/", [("Transfer-Encoding", "chunked"), ("TE", "trailers"), ("Connection", "TE")],
                              chunked(b"abc", trailers=trailers))
    assert backend.requests[0].trailers == [("X-Sum", "6")]
    assert ("X-Sum", "7") in response.trailers
    assert not {"content-length", "set-cookie"} & {name.lower() for name, _ in response.trailers}
    assert client.request().status == 200


def test_a_close_delimited_response_is_framed_for_the_client(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    backend = lab.backend(script)
    client = lab.client(lab.gateway(backend))
    for _ in range(2):
        response = client.request()
        assert response.body == b"until the end"
        assert response.header("Transfer-Encoding") == "chunked"


def test_head_has_no_body_but_the_length(lab):
    backend = lab.backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"))
    client = lab.client(lab.gateway(backend))
    for _ in range(2):
        response = client.request("HEAD")
        assert response.header("Content-Length") == "12345"
    assert len(backend.connections) == 1


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
])
def test_responses_without_a_body(lab, head):
    client = lab.client(lab.gateway(lab.backend(answering(head))))
    for _ in range(2):
        response = client.request()
        assert response.status == int(head[9:12])
        assert response.header("Transfer-Encoding") is None
    client.expect_silence(0.05)


def test_an_http_1_0_client_gets_what_it_can_read(lab):
    backend = lab.backend(answering(CHUNKED + chunked(b"one", b"two")))
    client = lab.client(lab.gateway(backend))
    client.send(request_bytes("GET", "/", version="1.0"))
    response = read_response(client)
    assert response.header("Transfer-Encoding") is None
    assert response.body == b"onetwo"
    client.expect_closed()
    assert backend.requests[0].version == "1.1"
    assert backend.requests[0].header("Via") == "1.0 sluice"


def test_an_http_1_0_backend(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend = lab.backend(script)
    client = lab.client(lab.gateway(backend))
    for _ in range(2):
        response = client.request()
        assert (response.version, response.body) == ("1.1", b"ok")
        assert response.header("Via") == "1.0 sluice"
    assert len(backend.connections) == 2


def test_the_authority_of_an_absolute_target_wins(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    assert client.request("GET", "http://other.example:81/a?b=c", host="test.example").status == 200
    assert backend.requests[0].target == "/a?b=c"
    assert backend.requests[0].header("Host") == "other.example:81"
    assert client.request("GET", "http://other.example", host="test.example").status == 200
    assert backend.requests[1].target == "/"


def test_options_asterisk(lab):
    backend = lab.backend()
    assert lab.request(lab.gateway(backend), "OPTIONS", "*").status == 200
    assert backend.requests[0].target == "*"


def test_options_of_another_host_as_a_whole_goes_there(lab):
    """`OPTIONS http://host` is the asterisk form of that host (RFC 9112 3.2.4): its authority wins here too."""
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    client.send(b"OPTIONS http://a.example HTTP/1.1\r\nHost: b.example\r\n\r\n")
    assert client.response().status == 200
    assert (backend.requests[0].target, backend.requests[0].header("Host")) == ("*", "a.example")


@pytest.mark.parametrize("size,statuses", [(8192, (200, 200)), (8193, (431, 502))])
def test_trailers_have_a_limit_of_their_own(lab, size, statuses):
    """Also when heads may be larger, and for backends too."""
    trailers = b"X-A: " + b"t" * (size - 9) + b"\r\n"  # with the empty line behind them
    backend = lab.backend(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(trailers=trailers)))
    gateway = lab.gateway(backend, limits={"max_request_head": "64KiB"})
    assert lab.client(gateway).request("GET").status == statuses[1]
    backend = lab.backend()
    client = lab.client(lab.gateway(backend, limits={"max_request_head": "64KiB"}))
    assert client.request("POST", "/", [("Transfer-Encoding", "chunked")], chunked(trailers=trailers)).status == statuses[0]
    assert [request.trailers for request in backend.requests] == ([[("X-A", "t" * (size - 9))]] if size == 8192 else [])


@pytest.mark.parametrize("apart", [False, True])
def test_trailers_that_connection_names_stay_behind(lab, apart):
    """RFC 9110 7.6.1: what it names is for the next hop alone, behind the body as before it."""
    backend = lab.backend(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n\r\n"
                                    + chunked(b"abc", trailers=b"X-Sum: 7\r\nx-hop: 1\r\n")))
    client = lab.client(lab.gateway(backend))
    client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive, X-Own")]))
    if apart:
        wait_until(lambda: backend.connections, "the head at the backend")
    client.send(chunked(b"abc", trailers=b"X-Sum: 6\r\nx-own: 1\r\n"))
    response = client.response()
    assert backend.requests[0].trailers == [("X-Sum", "6")]
    assert response.trailers == [("X-Sum", "7")]


def test_trailers_do_not_undo_what_the_route_says_of_headers(lab):
    backend = lab.backend(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    + chunked(b"abc", trailers=b"X-Sum: 7\r\nX-Node: forged\r\n")))
    gateway = lab.gateway(backend, route={"request_headers": {"set": {"X-User": "nobody"}, "remove": ["X-Internal"]},
                                          "response_headers": {"set": {"X-Node": "gateway"}}})
    response = lab.client(gateway).request(
        "POST", "/", [("Transfer-Encoding", "chunked")],
        chunked(b"abc", trailers=b"X-Sum: 6\r\nX-User: admin\r\nX-Internal: 1\r\n"))
    assert backend.requests[0].trailers == [("X-Sum", "6")]
    assert backend.requests[0].header("X-User") == "nobody"
    assert ("X-Sum", "7") in response.trailers and not [name for name, _ in response.trailers if name == "X-Node"]


@pytest.mark.parametrize("method,target,statuses", [
    ("CONNECT", "test.example:443", {405, 501}),
    ("TRACE", "/", {405}),
])
def test_connect_and_trace_are_refused(lab, method, target, statuses):
    backend = lab.backend()
    assert lab.request(lab.gateway(backend), method, target).status in statuses
    assert backend.connections == []


def test_unknown_methods_pass(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend)
    assert lab.request(gateway, "PROPFIND").status == 200
    assert backend.requests[0].method == "PROPFIND"
    gateway.wait_metric("sluice_requests_total", 1, method="other", status="2xx")


def test_a_client_whose_fin_comes_before_the_answer_has_left(lab):
    """A FIN does not tell a half-close from a client that is gone; the latter is what happens."""
    backend = lab.backend(lambda connection: (connection.read_request(), connection.hang()))
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(request_bytes())
    backend.wait_for_request()
    client.half_close()
    client.expect_closed()
    gateway.wait_metric("sluice_requests_total", 1, status="499")


def test_leaving_in_the_middle_of_a_head_is_harmless(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\nHost: te")
    client.half_close()
    client.read_until_closed()
    wait_until(lambda: gateway.metric("sluice_connections_open") == 0, "the connection to be gone")
    assert backend.connections == []


def test_leaving_in_the_middle_of_a_body_never_completes_the_request(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")], b"5\r\nhello\r\n"))
    upstream = backend.connection()
    wait_until(lambda: b"hello" in upstream.received, "the chunk at the backend")
    client.close()
    wait_until(upstream.finished.is_set, "the backend's connection to end")
    assert backend.requests == [] and not upstream.received.endswith(b"0\r\n\r\n")
