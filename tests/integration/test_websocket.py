"""WebSocket with scripted peers: the handshake in both directions, then the tunnel."""

import pytest

from support.http_message import read_response, request_bytes, response_bytes
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import (BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, accept_for, close_payload, frame_bytes,
                               open_websocket, upgrade_bytes)

ACCEPTED = [
    ("plain", {}),
    ("Connection with other tokens", {"Connection": "keep-alive, Upgrade"}),
    ("Connection in upper case", {"Connection": "UPGRADE"}),
    ("Connection on two lines", {"Connection": ["keep-alive", "upgrade"]}),
    ("Upgrade in another case", {"Upgrade": "WebSocket"}),
    ("Upgrade in a list", {"Upgrade": "h2c, websocket"}),
    ("Content-Length of 0", {"Content-Length": "0"}),
]

REFUSED = [
    ("version 8", {"Sec-WebSocket-Version": "8"}, 426),
    ("no version", {"Sec-WebSocket-Version": None}, 426),
    ("version of garbage", {"Sec-WebSocket-Version": "x"}, 426),
    ("no key", {"Sec-WebSocket-Key": None}, 400),
    ("empty key", {"Sec-WebSocket-Key": ""}, 400),
    ("key of 15 bytes", {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"}, 400),
    ("key of 17 bytes", {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA="}, 400),
    ("key that is not base64", {"Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!=="}, 400),
    ("two keys", {"Sec-WebSocket-Key": [KEY, KEY]}, 400),
    ("two keys, different", {"Sec-WebSocket-Key": [KEY, "x3JJHMbDL1EzLkh9GBhXDw=="]}, 400),
    ("no Connection", {"Connection": None}, 400),
    ("Connection without upgrade", {"Connection": "keep-alive"}, 400),
    ("a body by length", {"Content-Length": "5"}, 400),
    ("a chunked body", {"Transfer-Encoding": "chunked"}, 400),
]


def ids(table):
    return [case[0].replace(" ", "-") for case in table]


@pytest.mark.parametrize("name,fields", ACCEPTED, ids=ids(ACCEPTED))
def test_accepted_handshakes(lab, name, fields):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws", fields))
    assert read_response(client).status == 101
    client.send_frame(TEXT, b"hello")
    assert client.read_frame().payload == b"hello"
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="accepted")


@pytest.mark.parametrize("name,fields,status", REFUSED, ids=ids(REFUSED))
def test_refused_handshakes(lab, name, fields, status):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws", fields) + (b"hello" if "body" in name else b""))
    response = read_response(client)
    assert response.status == status
    assert response.header("Sluice-Error")
    if status == 426:
        assert response.header("Sec-WebSocket-Version") == "13"
        assert response.header("Upgrade").lower() == "websocket"
        assert response.all("Connection") == ["Upgrade, close"]
    assert backend.connections == []
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="rejected_client")


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
def test_an_upgrade_must_be_a_get(lab, method):
    backend = lab.backend(echo_websocket)
    client = lab.client(lab.gateway(backend))
    client.send(upgrade_bytes(method=method))
    assert read_response(client, method).status == 400
    assert backend.connections == []


def test_an_upgrade_over_http_1_0_never_becomes_one(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    client.send(upgrade_bytes(version="1.0"))
    assert read_response(client).status in (200, 400)  # RFC 9110 7.8: ignored; refusing is as safe
    assert all("upgrade" not in request.names() for request in backend.requests)


@pytest.mark.parametrize("fields", [
    {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
    {"Upgrade": "TLS/1.0"}, {"Upgrade": "websocket2"}, {"Upgrade": None},
])
def test_other_upgrades_are_served_without_upgrade(lab, fields):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    client.send(upgrade_bytes("/plain", fields))
    assert read_response(client).status == 200
    request = backend.requests[0]
    assert not request.names() & {"upgrade", "http2-settings"}
    assert "upgrade" not in (request.header("Connection") or "").lower()


def test_the_fields_of_the_handshake_reach_the_backend_intact(lab):
    extra = [("Sec-WebSocket-Protocol", "chat.v2, chat.v1"), ("Origin", "https://test.example"), ("Cookie", "a=b; c=d"),
             ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
    backend = lab.backend(lambda connection: (
        connection.accept_websocket([("Sec-WebSocket-Protocol", "chat.v1"), ("Set-Cookie", "s=1"),
                                     ("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover")]),
        connection.hang()))
    client = lab.client(lab.gateway(backend))
    response = open_websocket(client, "/ws/room?token=secret", extra)
    request = backend.requests[0]
    assert request.target == "/ws/room?token=secret"
    for name, value in extra + [("Sec-WebSocket-Version", "13"), ("Host", "test.example")]:
        assert request.header(name) == value
    assert request.header("Upgrade").lower() == "websocket"
    assert request.header("Connection").lower() == "upgrade"
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert response.header("Sec-WebSocket-Protocol") == "chat.v1"
    assert response.header("Sec-WebSocket-Extensions") == "permessage-deflate; server_no_context_takeover"
    assert response.header("Set-Cookie") == "s=1"


def answer_of(*, upgrade="websocket", connection="Upgrade", accept=True, extra=()):
    fields = [("Upgrade", upgrade), ("Connection", connection), ("Sec-WebSocket-Accept", accept)]

    def script(peer):
        key = peer.read_request().header("Sec-WebSocket-Key")
        lines = [(name, accept_for(key) if value is True else value) for name, value in fields if value is not None]
        peer.send(response_bytes(101, b"", lines + list(extra), "Switching Protocols") + b"\x81\x05early")
        peer.hang()

    return script


WRONG_101 = [
    ("no Upgrade", answer_of(upgrade=None)),
    ("another Upgrade", answer_of(upgrade="h2c")),
    ("no Connection", answer_of(connection=None)),
    ("another Connection", answer_of(connection="keep-alive")),
    ("no accept", answer_of(accept=None)),
    ("wrong accept", answer_of(accept=accept_for("x3JJHMbDL1EzLkh9GBhXDw=="))),
    ("accept in another case", answer_of(accept=accept_for(KEY).swapcase())),
    ("two accepts", answer_of(extra=[("Sec-WebSocket-Accept", accept_for(KEY))])),
    ("a subprotocol that was not offered", answer_of(extra=[("Sec-WebSocket-Protocol", "other")])),
    ("two subprotocols", answer_of(extra=[("Sec-WebSocket-Protocol", "chat, superchat")])),
    ("an extension that was not offered", answer_of(extra=[("Sec-WebSocket-Extensions", "x-other")])),
]


@pytest.mark.parametrize("name,script", WRONG_101, ids=ids(WRONG_101))
def test_a_wrong_101_is_502(lab, name, script):
    backend = lab.backend(script)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(upgrade_bytes(extra=[("Sec-WebSocket-Protocol", "chat, superchat")]))
    response = read_response(client)
    assert response.status == 502 and response.header("Sluice-Error")
    wait_until(backend.connection().finished.is_set, "the upstream connection to end")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="failed_upstream")
    assert gateway.metric("sluice_websocket_tunnels_open") == 0


@pytest.mark.parametrize("status,body", [(200, b"a page"), (401, b"who?"), (403, b"no"), (404, b""), (503, b"later")])
def test_any_other_answer_is_passed_on(lab, status, body):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.respond(status, body, [("X-Own", "1")])))
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    response = read_response(client)
    assert (response.status, response.body, response.header("X-Own")) == (status, body, "1")
    assert response.header("Sluice-Error") is None
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="refused_upstream")


def test_bytes_behind_the_upgrade_wait_for_the_101(lab):
    """They might be a request meant for the backend (smuggling by upgrade): not one goes out before."""
    early = frame_bytes(TEXT, request_bytes("GET", "/smuggled"), mask=True)

    def script(peer):
        request = peer.read_request_head()
        peer.expect_silence(0.2)
        peer.send(response_bytes(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"), (
            "Sec-WebSocket-Accept", accept_for(request.header("Sec-WebSocket-Key")))], "Switching Protocols"))
        assert peer.read_exactly(len(early)) == early
        peer.send_frame(TEXT, b"got it")
        peer.hang()

    client = lab.client(lab.gateway(lab.backend(script)))
    open_websocket(client, early=early)
    assert client.read_frame().payload == b"got it"


@pytest.mark.parametrize("status", [200, 403])
def test_bytes_behind_a_failed_upgrade_are_never_a_request(lab, status):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.respond(status), peer.hang()))
    client = lab.client(lab.gateway(backend))
    client.send(upgrade_bytes() + request_bytes("GET", "/smuggled"))
    assert read_response(client).status == status
    client.expect_closed()
    assert b"smuggled" not in backend.received() and len(backend.requests) == 1


def test_frames_behind_the_101_reach_the_client(lab):
    backend = lab.backend(lambda peer: (peer.accept_websocket(after=b"\x81\x05early"), peer.hang()))
    client = lab.client(lab.gateway(backend))
    open_websocket(client)
    assert client.read_frame().payload == b"early"


def test_interim_answers_before_the_101(lab):
    def script(peer):
        key = peer.read_request_head().header("Sec-WebSocket-Key")
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + response_bytes(101, b"", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_for(key))]))
        peer.hang()

    open_websocket(lab.client(lab.gateway(lab.backend(script))))


def test_upgrades_use_fresh_connections_and_never_pool_them(lab):
    def script(peer):
        peer.read_request()
        if peer.index == 1:
            peer.respond(403, b"no")
        else:
            peer.respond()
        peer.read_request()
        peer.respond(body=b"reused")

    backend = lab.backend(script)
    gateway = lab.gateway(backend, workers=1)
    assert lab.request(gateway).status == 200
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    assert read_response(client).status == 403
    assert len(backend.connections) == 2, "not the pooled one"
    assert lab.request(gateway).body == b"reused"
    assert len(backend.connections[1].requests) == 1, "the refused upgrade's connection is not pooled"


def test_payloads_pass_untouched_and_are_counted(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    open_websocket(client)
    for opcode, payload, fin in ((TEXT, b"a" * 125, True), (BINARY, bytes(range(256)), True), (TEXT, b"one", False),
                                 (CONTINUATION, b"", False), (CONTINUATION, b"two" * 30000, True)):
        client.send_frame(opcode, payload, fin)
        frame = client.read_frame()
        assert (frame.opcode, frame.payload, frame.fin) == (opcode, payload, fin)
    client.send_frame(PING, b"are you there?")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (PONG, b"are you there?")
    client.send_frame(CLOSE, close_payload(4321, b"enough"))
    assert client.read_frame().payload == close_payload(4321, b"enough")
    client.expect_closed()
    client.close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    metrics = gateway.metrics()
    for direction in ("to_client", "to_upstream"):
        labels = {"route": "all", "direction": direction}
        assert metrics.value("sluice_websocket_frames_total", **labels) == 7
        assert metrics.value("sluice_websocket_messages_total", **labels) == 3
        assert metrics.value("sluice_websocket_bytes_total", **labels) > 90000
    assert metrics.value("sluice_websocket_closes_total", route="all", initiator="client", code="4xxx") == 1
    assert metrics.value("sluice_websocket_tunnel_duration_seconds_count", route="all") == 1
