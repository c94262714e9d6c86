"""HTTP/2 towards backends, frame by frame: what is asked and answered, connections that are shared, what is repeated. WebSockets on them
are in test_fan_in*.py."""

import json
import threading

import pytest

from support.config_text import config_for
from support.http2_backend import FrameServer, answer_all, speaking, tls_context
from support.http2_frames import CANCEL, GOAWAY, INTERNAL_ERROR, MAX_STREAMS, PING, REFUSED_STREAM, RST_STREAM, goaway, headers, reset
from support.http_message import chunked
from support.raw_backend import answer_ok
from support.waiting import wait_until

H2 = {"protocol": "h2"}
ONE = {"workers": 1}


def gateway_to(lab, script, *pairs, upstream=None, **config):
    backend = lab.backend(speaking(script, *pairs))
    return backend, lab.gateway(backend, upstream={**H2, **(upstream or {})}, **{**ONE, **config})


def answering(*responses):
    """Answers the requests in turn: each of `responses` is called with the server and the request."""
    def script(server):
        for respond in responses:
            respond(server, server.request())
        answer_all(server)
    return script


def tls_upstream(ca, **more):
    return {"tls": {"ca": str(ca.certificate)}, **more}


def url_of(backend):
    return f"https://localhost:{backend.port}"


# ---- what is asked --------------------------------------------------------------------------------------------------

def test_a_request_becomes_one_of_http2(lab):
    backend, gateway = gateway_to(lab, answer_all)
    response = lab.request(gateway, "GET", "/a?b=c", headers=[
        ("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("TE", "gzip"), ("X-Kept", "Yes"),
        ("Cookie", "a=b; c=d")])
    assert (response.status, response.body) == (200, b"/a?b=c")
    asked = backend.wait_for_request()
    assert asked.names()[:4] == [":method", ":scheme", ":authority", ":path"]
    assert (asked.method, asked.scheme, asked.authority, asked.path) == ("GET", "http", "test.example", "/a?b=c")
    assert not {"host", "connection", "x-hop", "keep-alive", "te", "transfer-encoding", "upgrade"} & set(asked.names())
    assert asked.header("x-kept") == "Yes" and asked.header("cookie") == "a=b; c=d"
    assert asked.header("x-forwarded-for") == "127.0.0.1"
    assert all(name == name.lower() for name in asked.names())


def test_what_is_spoken_is_told(lab):
    """By the access log and by Via, which are about different sides in a request and in a response."""
    backend, gateway = gateway_to(lab, answer_all)
    assert lab.request(gateway).header("via") == "2.0 sluice"
    assert backend.wait_for_request().header("via") == "1.1 sluice"
    line = gateway.wait_log()
    assert (line["version"], line["upstream_version"]) == ("HTTP/1.1", "HTTP/2.0")


def test_a_client_that_accepts_trailers_says_so_to_the_backend(lab):
    backend, gateway = gateway_to(lab, answer_all)
    lab.request(gateway, headers=[("TE", "trailers, deflate"), ("Connection", "TE")])
    assert backend.wait_for_request().header("te") == "trailers"


@pytest.mark.parametrize("body", [b"", b"x", b"y" * 200_000], ids=len)
def test_bodies_with_a_length(lab, body):
    backend, gateway = gateway_to(lab, answer_all)
    assert lab.request(gateway, "POST", "/", body=body, headers=[] if body else [("Content-Length", "0")]).status == 200
    asked = backend.wait_for_request()
    assert (asked.body, asked.header("content-length")) == (body, str(len(body)))


def test_a_body_in_chunks_has_no_length_and_its_trailers_go_on(lab):
    backend, gateway = gateway_to(lab, answer_all)
    client = lab.client(gateway)
    client.send(b"POST /up HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n" +
                chunked(b"one", b"two", trailers=b"X-Sum: 6\r\nHost: evil\r\n"))
    assert client.response("POST").status == 200
    asked = backend.wait_for_request()
    assert asked.body == b"onetwo" and asked.header("content-length") is None
    assert asked.trailers == [("x-sum", "6")]


# ---- what is answered -----------------------------------------------------------------------------------------------

def test_an_answer_without_a_length_is_sent_in_chunks_with_its_trailers(lab):
    def with_trailers(server, asked):
        server.respond(asked, 200, b"body", ("x-a", "1"), ("x-a", "2"), trailers=[("x-sum", "4"), ("content-type", "no")])
    _, gateway = gateway_to(lab, answering(with_trailers))
    response = lab.request(gateway)
    assert response.header("Transfer-Encoding") == "chunked" and response.all("x-a") == ["1", "2"]
    assert response.body == b"body"
    assert [(name.lower(), value) for name, value in response.trailers] == [("x-sum", "4")]


def test_a_length_is_kept(lab):
    _, gateway = gateway_to(lab, answering(lambda server, asked: server.respond(asked, 200, b"four", ("content-length", "4"))))
    response = lab.request(gateway)
    assert response.all("Content-Length") == ["4"] and response.header("Transfer-Encoding") is None
    assert response.body == b"four" and response.reason == "OK"


@pytest.mark.parametrize("method,status,fields", [
    ("HEAD", 200, [("content-length", "7")]), ("GET", 204, []), ("GET", 304, [("etag", '"a"')])])
def test_answers_without_a_body(lab, method, status, fields):
    _, gateway = gateway_to(lab, answering(lambda server, asked: server.respond(asked, status, b"", *fields)))
    client = lab.client(gateway)
    response = client.request(method)
    assert (response.status, response.body) == (status, b"")
    for name, value in fields:
        assert response.header(name) == value
    assert client.request().status == 200  # the connection is in order


def test_interim_answers_go_on(lab):
    def hints(server, asked):
        server.send(headers(asked.stream, [(":status", "103"), ("link", "</a>")], end=False),
                    headers(asked.stream, [(":status", "102")], end=False))
        server.respond(asked)
    _, gateway = gateway_to(lab, answering(hints))
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
    first = client.read_until(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 103 ") and b"link: </a>" in first
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 102 ")
    assert client.response().status == 200


def test_too_many_interim_answers(lab):
    def hints(server, asked):
        server.send(*[headers(asked.stream, [(":status", "103")], end=False) for _ in range(40)])
        server.respond(asked)
    _, gateway = gateway_to(lab, answering(hints))
    assert lab.request(gateway).status == 502
    assert lab.request(gateway).status == 200


WRONG = {
    "no status": [("x-a", "b")],
    "upper case": [(":status", "200"), ("X-A", "b")],
    "connection": [(":status", "200"), ("connection", "close")],
    "switching": [(":status", "101")],
    "two lengths": [(":status", "200"), ("content-length", "2"), ("content-length", "3")],
    "too many": [(":status", "200")] + [(f"x-{n}", "v") for n in range(150)],
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_heads_that_no_backend_may_send(lab, fields):
    def wrong(server, asked):
        server.send(headers(asked.stream, fields))
    backend, gateway = gateway_to(lab, answering(wrong))
    assert lab.request(gateway).status == 502
    assert lab.request(gateway).status == 200
    assert len(backend.connections) == 1  # it cost that stream alone


def test_a_body_that_is_longer_than_its_length(lab):
    _, gateway = gateway_to(lab, answering(lambda server, asked: server.respond(asked, 200, b"longer", ("content-length", "2"))))
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
    assert b"longer" not in client.read_until_closed()


# ---- resets ---------------------------------------------------------------------------------------------------------

def test_a_reset_before_the_answer(lab):
    _, gateway = gateway_to(lab, answering(lambda server, asked: server.send(reset(asked.stream, INTERNAL_ERROR))))
    client = lab.client(gateway)
    response = client.request()
    assert (response.status, response.header("Sluice-Error")) == (502, "reset")
    assert client.request().status == 200


def test_a_reset_within_the_answer_breaks_it_off(lab):
    begun = threading.Event()

    def half(server, asked):
        server.respond(asked, 200, b"half", end=False)
        server.connection.wait(begun)
        server.send(reset(asked.stream, INTERNAL_ERROR))
    _, gateway = gateway_to(lab, answering(half))
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
    assert client.read_until(b"half").startswith(b"HTTP/1.1 200 ")
    begun.set()
    assert not client.read_until_closed().endswith(b"0\r\n\r\n")
    gateway.wait_metric("sluice_upstream_failures_total", 1, upstream="app", reason="body_truncated")


def test_a_reset_behind_the_whole_answer_harms_nothing(lab):
    """The backend needs no more of the request (RFC 9113 8.1)."""
    def early(server):
        asked = server.head()
        server.respond(asked, 413, b"too much")
        server.send(reset(asked.stream, 0))
        answer_all(server)
    _, gateway = gateway_to(lab, early)
    client = lab.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 100\r\n\r\nabc")
    response = client.response("POST")
    assert (response.status, response.body) == (413, b"too much")


def test_a_client_that_leaves_cancels_its_stream_alone(lab):
    cancelled = []

    def script(server):
        left, stays = server.request(), server.request()
        cancelled.append(server.wait_frame(RST_STREAM, left.stream).code)
        server.respond(stays)
        answer_all(server)
    backend, gateway = gateway_to(lab, script)
    leaving, staying = lab.client(gateway), lab.client(gateway)
    leaving.send(b"GET /left HTTP/1.1\r\nHost: test.example\r\n\r\n")
    backend.wait_for_request()
    staying.send(b"GET /stays HTTP/1.1\r\nHost: test.example\r\n\r\n")
    backend.wait_for_request(2)
    leaving.close()
    assert staying.response().status == 200
    assert cancelled == [CANCEL] and len(backend.connections) == 1


def test_a_backend_that_does_not_answer_in_time(lab):
    codes = []

    def script(server):
        asked = server.request()
        codes.append(server.wait_frame(RST_STREAM, asked.stream).code)
        answer_all(server)
    _, gateway = gateway_to(lab, script, route={"timeouts": {"response_head": "200ms"}})
    assert lab.request(gateway).status == 504
    assert lab.request(gateway).status == 200 and codes == [CANCEL]


# ---- connections ----------------------------------------------------------------------------------------------------

def in_flight(lab, gateway, backend, count, first=1):
    """So many requests, all of which the backend has."""
    clients = [lab.client(gateway) for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(f"GET /{number} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode())
        backend.wait_for_request(first + number)
    return clients


def test_requests_share_a_connection(lab):
    """The backend answers when all of them are there, the last one first."""
    def script(server):
        asked = [server.request() for _ in range(50)]
        for one in reversed(asked):
            server.respond(one, 200, one.path.encode())
        answer_all(server)
    backend, gateway = gateway_to(lab, script)
    clients = in_flight(lab, gateway, backend, 50)
    gateway.wait_metric("sluice_upstream_http2_streams_open", 0, upstream="app")
    for number, client in enumerate(clients):
        assert client.response().body == f"/{number}".encode()
    assert len(backend.connections) == 1
    assert gateway.metric("sluice_upstream_connections_open", upstream="app") == 1
    gateway.wait_metric("sluice_upstream_connections_idle", 1, upstream="app")


def test_streams_are_counted(lab):
    answer = threading.Event()

    def script(server):
        asked = [server.request() for _ in range(3)]
        server.connection.wait(answer)
        for one in asked:
            server.respond(one)
        answer_all(server)
    backend, gateway = gateway_to(lab, script)
    clients = in_flight(lab, gateway, backend, 3)
    gateway.wait_metric("sluice_upstream_http2_streams_open", 3, upstream="app")
    answer.set()
    assert [client.response().status for client in clients] == [200] * 3
    gateway.wait_metric("sluice_upstream_http2_streams_open", 0, upstream="app")


def test_no_more_streams_than_the_backend_allows(lab):
    """A connection that is full has others beside it."""
    answer = threading.Event()

    def script(server):
        asked = [server.request() for _ in range(2 if server.connection.index == 0 else 1)]
        server.connection.wait(answer)
        for one in asked:
            server.respond(one)
        answer_all(server)

    def first(server):
        server.respond(server.request())  # so that its SETTINGS are known
        script(server)
    backend = lab.backend(speaking(lambda server: first(server) if server.connection.index == 0 else script(server), (MAX_STREAMS, 2)))
    gateway = lab.gateway(backend, upstream=H2, **ONE)
    assert lab.request(gateway).status == 200
    clients = in_flight(lab, gateway, backend, 3, first=2)
    assert len(backend.connections) == 2
    answer.set()
    assert [client.response().status for client in clients] == [200] * 3


def test_a_slow_reader_stops_its_own_stream_alone(lab):
    big = b"b" * 60_000

    def script(server):
        slow = server.request()
        server.respond(slow, 200, big, end=False)
        while True:
            asked = server.request()
            server.respond(asked, 200, asked.path.encode())
    backend, gateway = gateway_to(lab, script)
    slow = lab.client(gateway, receive_buffer=4096)
    slow.send(b"GET /slow HTTP/1.1\r\nHost: test.example\r\n\r\n")
    backend.wait_for_request()
    for number in range(20):
        assert lab.request(gateway, target=f"/{number}").body == f"/{number}".encode()
    assert len(backend.connections) == 1


def test_an_idle_connection_ends(lab):
    ends = []

    def script(server):
        server.respond(server.request())
        ends.append(server.wait_frame(GOAWAY).code)
        server.connection.read_until_closed(timeout=20)
    backend, gateway = gateway_to(lab, script, upstream={"pool": {"idle_timeout": "200ms"}})
    assert lab.request(gateway).status == 200
    assert backend.connection().finished.wait(10) and ends == [0]
    gateway.wait_metric("sluice_upstream_connections_open", 0, upstream="app")
    gateway.wait_metric("sluice_upstream_connections_idle", 0, upstream="app")


def test_a_connection_that_the_backend_closes_is_replaced(lab):
    def script(server):
        server.respond(server.request(), 200, b"", ("x-connection", str(server.connection.index)))
    backend, gateway = gateway_to(lab, script)
    assert lab.request(gateway).header("x-connection") == "0"
    gateway.wait_metric("sluice_upstream_connections_open", 0, upstream="app")
    assert lab.request(gateway).header("x-connection") == "1"


@pytest.mark.slow
@pytest.mark.deadline(80)
def test_a_backend_that_falls_silent_is_asked_for_a_sign_of_life(lab):
    """After 30 s; 10 s later it is given up, unless it has said something."""
    alive = threading.Event()

    def script(server):
        asked = server.request()
        server.wait_frame(PING, timeout=40)
        if server.answer_pings:
            server.connection.wait(alive, timeout=40)
            server.respond(asked)
        server.connection.read_until_closed(timeout=40)
    patient = {"route": {"timeouts": {"response_head": "2m"}}, **ONE}
    dead, living = [lab.backend(speaking(script, answer_pings=answers)) for answers in (False, True)]
    clients = [lab.client(lab.gateway(backend, upstream=H2, **patient)) for backend in (dead, living)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
    assert clients[0].response(timeout=60).status == 504
    alive.set()
    assert clients[1].response().status == 200


def test_full_endpoints(lab):
    answer = threading.Event()

    def script(server):
        asked = server.request()
        server.connection.wait(answer)
        server.respond(asked)
        answer_all(server)
    backend, gateway = gateway_to(lab, script, (MAX_STREAMS, 1), upstream={"circuit_breaker": {"max_connections": 1}})
    client, = in_flight(lab, gateway, backend, 1)
    wait_until(lambda: lab.request(gateway).header("Sluice-Error") == "upstream_full", "the backend's SETTINGS")
    answer.set()
    assert client.response().status == 200
    assert lab.request(gateway).status == 200


def test_connections_go_on_through_a_reload(lab):
    backend, gateway = gateway_to(lab, answer_all)
    assert lab.request(gateway).status == 200
    gateway.reload(config_for(backend, upstream=H2, route={"max_request_body": "1MiB"}, **ONE))
    assert lab.request(gateway).status == 200
    assert len(backend.connections) == 1


def requests_at(gateway):
    """That are under way at the endpoint, those included whose connection is being opened."""
    endpoint, = json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"]
    return endpoint["in_flight"]


@pytest.mark.parametrize("opens", [True, False], ids=["opens", "fails"])
def test_requests_that_come_at_once_wait_for_one_connection(lab, ca, opens):
    """Which takes as long as the test wants. When it fails, the next one is opened for those that are left."""
    go = threading.Event()

    def script(connection):
        connection.wait(go)
        if connection.index == 0 and not opens:
            return
        connection.socket.settimeout(20)
        connection.socket = tls.wrap_socket(connection.socket, server_side=True)
        answer_all(FrameServer(connection))
    tls = tls_context(ca, "h2")
    backend = lab.backend(script)
    gateway = lab.gateway(f"https://localhost:{backend.port}", upstream=tls_upstream(ca, protocol="h2", retries={"attempts": 1}), **ONE)
    clients = [lab.client(gateway) for _ in range(10)]
    for client in clients:
        client.send(b"GET /burst HTTP/1.1\r\nHost: test.example\r\n\r\n")
    wait_until(lambda: requests_at(gateway) == 10, "all requests")
    backend.connection(0)
    assert len(backend.connections) == 1
    go.set()
    assert sorted(client.response().status for client in clients) == [200] * 9 + ([200] if opens else [502])
    assert len(backend.connections) == (1 if opens else 2)


# ---- what is repeated -----------------------------------------------------------------------------------------------

def refuse_first(server):
    if server.connection.index == 0:
        server.respond(server.request())
        server.send(reset(server.request().stream, REFUSED_STREAM))
    answer_all(server)


@pytest.mark.parametrize("method,body", [("GET", b""), ("POST", b"p" * 30_000)])
def test_a_refused_stream_is_repeated_whatever_its_method(lab, method, body):
    backend, gateway = gateway_to(lab, refuse_first)
    assert lab.request(gateway).status == 200
    assert lab.request(gateway, method, "/again", body=body).status == 200
    assert [asked.body for asked in backend.requests[1:]] == [body, body]


def test_a_refused_stream_that_may_not_be_repeated(lab):
    _, gateway = gateway_to(lab, refuse_first, upstream={"retries": {"attempts": 1}})
    assert lab.request(gateway).status == 200
    response = lab.request(gateway)
    assert (response.status, response.header("Sluice-Error")) == (503, "stream_refused")
    gateway.wait_metric("sluice_upstream_failures_total", 1, upstream="app", reason="stream_refused")
    assert lab.request(gateway).status == 200


def test_streams_above_those_of_a_goaway_are_repeated(lab):
    """Those below are answered on the connection that goes."""
    def script(server):
        if server.connection.index > 0:
            return answer_all(server)
        old, new = server.request(), server.request()
        assert old.path == "/0" and new.path == "/1"
        server.send(goaway(old.stream))
        server.respond(old, 200, b"old")
        server.connection.read_until_closed(timeout=20)
    backend, gateway = gateway_to(lab, script)
    clients = in_flight(lab, gateway, backend, 2)
    assert [client.response().body for client in clients] == [b"old", b"/1"]
    assert len(backend.connections) == 2


def test_a_goaway_ends_a_connection_in_peace(lab):
    answer = threading.Event()

    def script(server):
        if server.connection.index > 0:
            return answer_all(server)
        asked = server.request()
        server.send(goaway(2**31 - 1))
        server.connection.wait(answer)
        server.send(goaway(asked.stream))
        server.respond(asked, 200, b"old")
        server.connection.read_until_closed(timeout=20)
    backend, gateway = gateway_to(lab, script)
    client, = in_flight(lab, gateway, backend, 1)
    wait_until(lambda: lab.request(gateway, target="/new").body == b"/new", "another connection")
    answer.set()
    assert client.response().body == b"old"
    assert backend.connection().finished.wait(10)


@pytest.mark.parametrize("method,status", [("GET", 200), ("POST", 502)])
def test_a_connection_that_dies_under_requests(lab, method, status):
    """Kept ones count as those of HTTP/1.1 do: idempotent requests are repeated."""
    def script(server):
        if server.connection.index > 0:
            return answer_all(server)
        server.respond(server.request())
        server.request()
    backend, gateway = gateway_to(lab, script)
    assert lab.request(gateway).status == 200
    assert lab.request(gateway, method, body=b"x" if method == "POST" else b"").status == status


# ---- agreeing -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["auto", "h2"])
def test_h2_is_agreed_on(lab, ca, protocol):
    backend = lab.backend(speaking(answer_all), tls=tls_context(ca, "h2", "http/1.1"))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca, protocol=protocol), **ONE)
    assert lab.request(gateway, target="/a").body == b"/a"
    assert backend.wait_for_request().scheme == "https"
    assert lab.request(gateway).status == 200 and len(backend.connections) == 1


@pytest.mark.parametrize("offered", [["http/1.1"], []])
def test_http1_is_spoken_where_h2_is_not_agreed_on(lab, ca, offered):
    backend = lab.backend(answer_ok, tls=tls_context(ca, *offered))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca), **ONE)
    assert [lab.request(gateway).status for _ in range(2)] == [200, 200]
    assert len(backend.connections) == 1


def test_protocol_h2_is_no_wish(lab, ca):
    backend = lab.backend(answer_ok, tls=tls_context(ca))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca, protocol="h2"))
    response = lab.request(gateway)
    assert (response.status, response.header("Sluice-Error")) == (502, "tls_failed")
    wait_until(lambda: "did not agree on h2" in gateway.stderr(), "the reason in the log")


def test_protocol_http1_does_not_offer_h2(lab, ca):
    backend = lab.backend(answer_ok, tls=tls_context(ca, "h2", "http/1.1"))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca, protocol="http/1.1"))
    assert lab.request(gateway).status == 200
