"""Mirrors that speak HTTP/2: their copies are streams of connections that requests share, and must not hurt those. What holds for mirrors
of all versions is in test_mirror.py."""

import threading

import pytest

from support import real_backends
from support.http2_backend import FrameServer, answer_all, speaking
from support.http2_client import Http2Client
from support.http2_frames import CANCEL, INITIAL_WINDOW, INTERNAL_ERROR, REFUSED_STREAM, RST_STREAM, goaway, reset, window_update
from support.mirror_way import MARK, answering, is_seen, mirror_config, mirror_h2, requests_metric, skipped  # noqa: F401
from support.raw_backend import answer_ok
from support.waiting import wait_until

MIB = 2**20
STREAMS = "sluice_upstream_http2_streams_open"


def is_copy(asked):
    return asked.header(MARK.lower()) is not None


def with_direct(config):
    """/direct leads to the mirror's upstream itself."""
    config["routes"].insert(0, {"name": "direct", "match": {"path_prefix": "/direct"}, "upstream": "shadow"})
    return config


def known(lab, gateway):
    """The gateway has a connection to the mirror, so that it knows what that speaks."""
    assert lab.request(gateway, target="/direct").status == 200
    return gateway


def begin(lab, gateway, target):
    client = lab.client(gateway)
    client.send(f"GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode())
    return client


def test_copies_and_requests_share_a_connection(lab, mirror_h2):  # noqa: F811
    """At once: none of the copies is answered before the last one is there."""
    def script(session):
        server, copies = session.server, []
        while True:
            asked = server.request()
            if is_copy(asked):
                copies.append(asked)
            else:
                server.respond(asked, 200, b"direct")
            if len(copies) == 10:
                for copy in copies:
                    server.respond(copy)
    shadow = mirror_h2.backend(script)
    gateway = known(lab, lab.gateway_from(with_direct(mirror_config(lab, mirror_h2.upstream(shadow)))))
    for number in range(1, 11):
        assert lab.request(gateway).body == b"main"
        if number < 10:
            gateway.wait_metric(STREAMS, number, upstream="shadow")
        assert lab.request(gateway, target="/direct").body == b"direct"
    is_seen(gateway, "answered", 10)
    gateway.wait_metric(STREAMS, 0, upstream="shadow")
    assert len(shadow.connections) == 1


def test_a_long_answer_is_cut_off_and_the_connection_stays(lab, mirror_h2):  # noqa: F811
    """What the connection's window lost to such answers comes back."""
    ends = []

    def script(session):
        server = session.server
        while True:
            asked = server.request()
            if not is_copy(asked):
                server.respond(asked, 200, b"direct")
                continue
            session.begin_answer(asked)
            sent = 8192
            while session.go_on(asked, b"x" * 8192):
                sent += 8192
            ends.append((sent, asked.reset))
    shadow = mirror_h2.backend(script)
    gateway = lab.gateway_from(with_direct(mirror_config(lab, mirror_h2.upstream(shadow))))
    for number in range(1, 6):
        assert lab.request(gateway).body == b"main"
        is_seen(gateway, "answered", number)
        assert lab.request(gateway, target="/direct").body == b"direct"
    assert [code for _, code in ends] == [CANCEL] * 5
    assert all(MIB < sent < 2 * MIB for sent, _ in ends), ends
    assert len(shadow.connections) == 1


def test_a_copy_that_is_given_up_leaves_the_connection(lab, mirror_h2):  # noqa: F811
    resets = []

    def script(session):
        resets.append((session.request(), session.server.wait_frame(RST_STREAM).code))
        answer_all(session.server)
    shadow = mirror_h2.backend(script)
    gateway = lab.gateway_from(mirror_config(lab, mirror_h2.upstream(shadow), timeouts={"response_head": "300ms"}))
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "failed", 1)
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    assert [code for _, code in resets] == [CANCEL] and len(shadow.connections) == 1


@pytest.mark.parametrize("code, reason", [(REFUSED_STREAM, "stream_refused"), (INTERNAL_ERROR, "reset"), (CANCEL, "reset")])
def test_copies_that_are_reset_hurt_no_request(lab, mirror_h2, code, reason):  # noqa: F811
    """Those go over the same connection as before. Nor are the copies repeated."""
    go, copies = threading.Event(), []

    def script(session):
        server, slow = session.server, None
        while True:
            asked = server.request()
            if asked.path == "/direct/slow":
                slow = asked
            elif not is_copy(asked):
                server.respond(asked, 200, b"direct")
            else:
                copies.append(asked)
                server.send(reset(asked.stream, code))
            if len(copies) == 10:
                server.connection.wait(go)
                server.respond(slow, 200, b"slow")
    shadow = mirror_h2.backend(script)
    gateway = known(lab, lab.gateway_from(with_direct(mirror_config(lab, mirror_h2.upstream(shadow)))))
    slow = begin(lab, gateway, "/direct/slow")
    wait_until(lambda: len(shadow.requests) == 2, "the slow one")
    for number in range(1, 11):
        assert lab.request(gateway).body == b"main"
        is_seen(gateway, "failed", number)
        if number < 10:
            assert lab.request(gateway, target="/direct").body == b"direct"
    go.set()
    assert slow.response().body == b"slow"
    assert gateway.metric("sluice_upstream_failures_total", upstream="shadow", reason=reason) == 10
    assert len(copies) == 10 and len(shadow.connections) == 1


def test_a_goaway_that_leaves_a_copy_out(lab, mirror_h2):  # noqa: F811
    """The request below it is answered, the next copy has another connection."""
    def script(session):
        server = session.server
        if session.connection.index > 0:
            return answer_all(server)
        server.respond(server.request())
        slow, copy = server.request(), server.request()
        assert is_copy(copy) and not is_copy(slow)
        server.send(goaway(slow.stream))
        server.respond(slow, 200, b"slow")
        server.connection.read_until_closed(timeout=20)
    shadow = mirror_h2.backend(script)
    gateway = known(lab, lab.gateway_from(with_direct(mirror_config(lab, mirror_h2.upstream(shadow)))))
    slow = begin(lab, gateway, "/direct/slow")
    shadow.wait_for_request(2)
    assert lab.request(gateway).body == b"main"
    assert slow.response().body == b"slow"
    is_seen(gateway, "failed", 1)
    assert gateway.metric("sluice_upstream_failures_total", upstream="shadow", reason="stream_refused") == 1
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    assert len(shadow.connections) == 2


def test_only_what_the_mirror_does_not_take_is_held(lab):
    """The head is not, once it was sent, and of the body there is one copy."""
    go = threading.Event()

    def script(server):
        server.respond(server.request())
        asked = server.head()
        server.connection.wait(go)
        server.send(window_update(asked.stream, 60_000))
        server.respond(server.request())
    shadow = lab.backend(speaking(script, (INITIAL_WINDOW, 0)))
    config = mirror_config(lab, {"name": "shadow", "endpoints": [shadow.url], "protocol": "h2"})
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    assert lab.request(gateway, "POST", headers=[("X-Long", "h" * 10_000)], body=b"b" * 60_000).body == b"main"
    gateway.wait_metric("sluice_held_bytes", 60_000)
    go.set()
    is_seen(gateway, "answered", 2)
    gateway.wait_metric("sluice_held_bytes", 0)
    assert shadow.requests[1].body == b"b" * 60_000


def test_the_mirror_is_told_the_client(lab):
    """By the PROXY protocol: a connection for each client then, which its copies share."""
    lines = []

    def script(connection):
        lines.append(connection.read_until(b"\r\n"))
        answer_all(FrameServer(connection))
    shadow = lab.backend(script)
    config = mirror_config(lab, {"name": "shadow", "endpoints": [shadow.url], "protocol": "h2", "proxy_protocol": "v1"})
    gateway = lab.gateway_from(config)
    clients = [lab.client(gateway) for _ in range(2)]
    for number in range(1, 7):
        assert clients[number % 2].request().body == b"main"
        is_seen(gateway, "answered", number)
    ports = {client.socket.getsockname()[1] for client in clients}
    assert len(lines) == 2 and {int(line.split()[4]) for line in lines} == ports


def test_http1_is_spoken_where_the_mirror_does_not_agree_on_h2(lab, ca):
    shadow = lab.backend(answer_ok, tls=ca.issue("localhost").server_context())
    upstream = {"name": "shadow", "endpoints": [f"https://localhost:{shadow.port}"], "tls": {"ca": str(ca.certificate)}}
    gateway = lab.gateway_from(mirror_config(lab, upstream))
    for number in range(1, 3):
        assert lab.request(gateway).body == b"main"
        is_seen(gateway, "answered", number)
    assert len(shadow.connections) == 1


def test_calls_are_copied(lab):
    """With what gRPC needs: `te: trailers`, and the bytes of the message."""
    def calls(server):
        while True:
            server.respond(server.request(), 200, b"\0\0\0\0\2ok", ("content-type", "application/grpc"), trailers=[("grpc-status", "0")])
    main, shadow = lab.backend(speaking(calls)), lab.backend(speaking(calls))
    config = mirror_config(lab, {"name": "shadow", "endpoints": [shadow.url], "protocol": "h2"}, main=main, upstream={"protocol": "h2"},
                           listeners=[{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}])
    gateway = lab.gateway_from(config)
    client = Http2Client.to(gateway.port)
    lab.clients.append(client)
    number = client.begin("POST", "/test.Bytes/Unary", [("content-type", "application/grpc"), ("te", "trailers")], end=False)
    client.send_body(number, b"\0\0\0\0\5hello")
    assert dict(client.answer(number).trailers) == {"grpc-status": "0"}
    is_seen(gateway, "answered", 1)
    (call,), (copy,) = main.requests, shadow.requests
    assert copy.header("te") == "trailers" and copy.body == call.body == b"\0\0\0\0\5hello"
    assert sorted(copy.fields) == sorted([*call.fields, (MARK.lower(), "1")])


@pytest.mark.parametrize("secure", [False, True])
def test_a_real_server_as_a_mirror(lab, ca, secure):
    node = lab.real(real_backends.node_http2, *[ca.issue("localhost")] if secure else [])
    upstream = {"name": "shadow", "protocol": "h2", "endpoints": [f"https://localhost:{node.port}" if secure else node.url],
                **({"tls": {"ca": str(ca.certificate)}} if secure else {})}
    gateway = lab.gateway_from(mirror_config(lab, upstream))
    client = lab.client(gateway)
    for _ in range(20):
        assert client.request("POST", "/upload", body=b"x" * 65536).body == b"main"
        assert client.request("GET", "/download/500000").body == b"main"
        assert client.request("GET", "/hints").body == b"main"
    gateway.wait_metric("sluice_mirror_in_flight", 0, route="all")
    assert requests_metric(gateway, "answered") + skipped(gateway, "busy") == 60
    assert requests_metric(gateway, "answered") > 0 and requests_metric(gateway, "failed") == 0
    gateway.wait_metric(STREAMS, 0, upstream="shadow")
