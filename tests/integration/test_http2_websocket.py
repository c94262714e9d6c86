"""WebSocket over HTTP/2 (RFC 8441), to backends that know HTTP/1.1 alone. What a tunnel carries and how long it may is told by the tests of
tunnels, which take this way too (support/websocket_way.py); here is what differs: how it begins, how it ends, and that many share one
connection. What is said where:

    RFC 8441  3    SETTINGS_ENABLE_CONNECT_PROTOCOL            test_the_setting_is_among_the_first
              4    the extended CONNECT                        test_a_request_that_*, test_other_protocols
              5    the handshake, END_STREAM and RST_STREAM    test_the_handshake_*, test_half_close, test_a_reset_*
    RFC 9113  8.5  what a connected stream may carry           test_trailers_end_a_tunnel, test_no_2xx_of_a_backend_opens_a_tunnel
"""

import signal
import threading
import time
import zlib

import pytest

from support.http_message import response_bytes
from support.http2_way import way  # noqa: F401 (a fixture)
from support.http2_websocket import begin_websocket, connect_fields, open_websocket
from support.raw_backend import echo_websocket
from support.waiting import seconds, stays, wait_until
from support.websocket import BINARY, CLOSE, KEY, TEXT, accept_for, assert_carries, close_payload, frame_bytes, masked

NO_ERROR, PROTOCOL_ERROR, CANCEL = 0, 1, 8
ENABLE_CONNECT_PROTOCOL = 8
MIB = 2**20
DEFLATE = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")


# ---- the handshake ----------------------------------------------------------------------------------------------------

def test_the_setting_is_among_the_first(way):
    """Chromium looks there alone."""
    client = way.client_for(echo_websocket)
    open_websocket(client)
    first = bytes(client.received)
    assert first[3] == 4, "SETTINGS"
    payload = first[9:9 + int.from_bytes(first[:3], "big")]
    settings = {int.from_bytes(payload[at:at + 2], "big"): int.from_bytes(payload[at + 2:at + 6], "big") for at in range(0, len(payload), 6)}
    assert settings[ENABLE_CONNECT_PROTOCOL] == 1


def test_the_handshake_reaches_the_backend_as_http_1_1(lab, way):
    backend = lab.backend(lambda peer: (
        peer.accept_websocket([("Sec-WebSocket-Protocol", "chat.v1"), ("Set-Cookie", "s=1"), ("Content-Length", "0"), ("X-Own", "1")],
                              after=b"\x81\x05early"),
        peer.hang()))
    gateway = way.gateway(backend)
    extra = [("sec-websocket-protocol", "chat.v2, chat.v1"), ("origin", "https://test.example"), ("cookie", "a=b"), ("cookie", "c=d")]
    websocket = open_websocket(way.client(gateway), "/ws/room?token=secret", extra)
    assert websocket.read_frame().payload == b"early"
    request = backend.requests[0]
    assert (request.method, request.target, request.header("Host")) == ("GET", "/ws/room?token=secret", "test.example")
    for name, value in [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Cookie", "a=b; c=d"),
                        ("Sec-WebSocket-Protocol", "chat.v2, chat.v1"), ("Origin", "https://test.example"), ("Via", "2.0 sluice")]:
        assert request.header(name) == value, name
    assert len(request.header("Sec-WebSocket-Key")) == 24
    assert not request.names() & {"transfer-encoding", "content-length", ":protocol"}
    answer = websocket.answer
    assert (answer.header("sec-websocket-protocol"), answer.header("set-cookie"), answer.header("x-own")) == ("chat.v1", "s=1", "1")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="accepted")
    line = gateway.wait_log(event="tunnel_open")
    assert (line["method"], line["version"], line["status"]) == ("GET", "HTTP/2.0", 200)


def test_a_key_of_the_client_is_not_believed(lab, way):
    """RFC 8441 5: it says nothing there. Two of them are no fault, either."""
    backend = lab.backend(echo_websocket)
    extra = [("sec-websocket-key", KEY), ("sec-websocket-key", "x"), ("sec-websocket-accept", accept_for(KEY))]
    assert_carries(open_websocket(way.client(way.gateway(backend)), extra=extra))
    request = backend.requests[0]
    assert request.header("Sec-WebSocket-Key") not in (KEY, "x") and "sec-websocket-accept" not in request.names()


def test_each_handshake_has_a_key_of_its_own(lab, way):
    backend = lab.backend(echo_websocket)
    client = way.client(way.gateway(backend))
    for _ in range(3):
        open_websocket(client)
    assert len({request.header("Sec-WebSocket-Key") for request in backend.requests}) == 3


def refused(client, websocket, status, error):
    answer = client.answer(websocket.number)
    assert (answer.status, answer.header("sluice-error"), answer.ended) == (status, error, True)
    return answer


@pytest.mark.parametrize("replace, status, error", [
    ({"sec-websocket-version": "8"}, 426, "bad_version"),
    ({"sec-websocket-version": None}, 426, "bad_version"),
    ({"content-length": "0"}, 400, "connect_with_body"),
    ({"content-length": "5"}, 400, "connect_with_body"),
])
def test_a_request_that_is_no_handshake(lab, way, replace, status, error):
    backend = lab.backend(echo_websocket)
    gateway = way.gateway(backend)
    client = way.client(gateway)
    answer = refused(client, begin_websocket(client, replace=replace), status, error)
    assert status != 426 or answer.header("sec-websocket-version") == "13"
    assert_carries(open_websocket(client))
    assert len(backend.connections) == 1


def test_a_request_that_ends_with_its_head(lab, way):
    backend = lab.backend(echo_websocket)
    client = way.client(way.gateway(backend))
    answer = client.answer(client.begin("CONNECT", "/ws", connect_fields()))
    assert (answer.status, answer.header("sluice-error")) == (400, "connect_with_body")
    assert backend.connections == []


@pytest.mark.parametrize("protocol", ["connect-udp", "websocket2", "h2c"])
def test_other_protocols(lab, way, protocol):
    backend = lab.backend(echo_websocket)
    client = way.client(way.gateway(backend))
    refused(client, begin_websocket(client, protocol=protocol), 501, "unknown_protocol")
    assert backend.connections == []
    assert_carries(open_websocket(client))


@pytest.mark.parametrize("status, body", [(302, b""), (401, b"who?"), (403, b"no"), (404, b"x" * 100_000), (503, b"later")])
def test_a_backends_refusal_is_passed_on(lab, way, status, body):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.respond(status, body, [("X-Own", "1")])))
    gateway = way.gateway(backend)
    client = way.client(gateway)
    answer = client.answer(begin_websocket(client).number)
    assert (answer.status, answer.body, answer.header("x-own"), answer.ended) == (status, body, "1", True)
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="refused_upstream")
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("status", [200, 204, 206])
def test_no_2xx_of_a_backend_opens_a_tunnel(lab, way, status):
    """It agreed to nothing, but here a 2xx would say so."""
    backend = lab.backend(lambda peer: (peer.read_request(), peer.respond(status, b"" if status == 204 else b"\x81\x03lie"), peer.hang()))
    gateway = way.gateway(backend)
    client = way.client(gateway)
    refused(client, begin_websocket(client), 502, "bad_upgrade")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="failed_upstream")


def test_no_2xx_of_the_gateway_opens_a_tunnel(lab, way):
    routes = [{"name": "fixed", "match": {"path": "/fixed"}, "respond": {"status": 200, "body": "fixed"}},
              {"name": "moved", "match": {"path": "/moved"}, "redirect": {"to": "https://other.example/", "status": 308}}]
    client = way.client(way.gateway(lab.refusing(), routes=routes))
    refused(client, begin_websocket(client, "/fixed"), 403, "upgrades_disabled")
    refused(client, begin_websocket(client, "/none"), 404, "no_route")
    assert client.answer(begin_websocket(client, "/moved").number).status == 308
    assert client.request(path="/fixed").body == b"fixed"


@pytest.mark.parametrize("protocol, status, error", [("websocket", 502, "connect_refused"), ("connect-udp", 501, "unknown_protocol")])
def test_no_failure_as_of_grpc_opens_a_tunnel(lab, way, protocol, status, error):
    """Its clients are told of failures with status 200."""
    client = way.client(way.gateway(lab.refusing()))
    refused(client, begin_websocket(client, protocol=protocol, extra=[("content-type", "application/grpc")]), status, error)


def test_a_challenge_of_acme_opens_no_tunnel(lab, way, tmp_path):
    (tmp_path / "token").write_text("token.thumbprint")
    listeners = [{"name": way.mode, "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"], "acme_challenge_directory": str(tmp_path)}]
    if way.mode == "tls":
        pytest.skip("challenges come in the clear")
    client = way.client(lab.gateway(lab.backend(echo_websocket), listeners=listeners))
    assert client.request(path="/.well-known/acme-challenge/token").body == b"token.thumbprint"
    assert_carries(open_websocket(client, "/.well-known/acme-challenge/token"))


@pytest.mark.parametrize("rules, status, error, result", [
    ({"enabled": False}, 403, "upgrades_disabled", "rejected_route"),
    ({"origins": ["https://test.example"]}, 403, "origin_not_allowed", "rejected_origin"),
])
def test_what_a_route_admits(lab, way, rules, status, error, result):
    backend = lab.backend(echo_websocket)
    gateway = way.gateway(backend, route={"websocket": rules})
    client = way.client(gateway)
    refused(client, begin_websocket(client, extra=[("origin", "https://evil.example")]), status, error)
    assert backend.connections == []
    assert gateway.metric("sluice_websocket_upgrades_total", route="all", result=result) == 1


def test_limits_count_tunnels_and_not_connections(lab, way):
    gateway = way.gateway(lab.backend(echo_websocket), route={"websocket": {"max_tunnels_per_client": 3}})
    client = way.client(gateway)
    held = [open_websocket(client) for _ in range(3)]
    refused(client, begin_websocket(client), 503, "too_many_tunnels_of_client")
    held[0].reset()
    gateway.wait_metric("sluice_websocket_tunnels_open", 2, route="all")
    assert_carries(open_websocket(client))


def test_frames_that_come_too_early_wait(lab, way):
    """They are for the tunnel: no backend gets them before it has agreed."""
    early = masked(TEXT, b"GET /smuggled HTTP/1.1\r\n\r\n")

    def script(peer):
        request = peer.read_request_head()
        peer.expect_silence(0.2)
        peer.send(response_bytes(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"), (
            "Sec-WebSocket-Accept", accept_for(request.header("Sec-WebSocket-Key")))], "Switching Protocols"))
        assert peer.read_exactly(len(early)) == early
        peer.send_frame(TEXT, b"got it")
        peer.hang()

    websocket = begin_websocket(way.client_for(script))
    websocket.send(early)
    assert websocket.read_frame().payload == b"got it"


def test_a_client_that_leaves_before_the_answer(lab, way):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.hang()))
    gateway = way.gateway(backend)
    websocket = begin_websocket(way.client(gateway))
    backend.wait_for_request()
    websocket.reset()
    wait_until(backend.connections[0].finished.is_set, "the backend to be left")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="client_left")


def test_interim_answers(way):
    def script(peer):
        key = peer.read_request_head().header("Sec-WebSocket-Key")
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response_bytes(101, b"", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_for(key))]) + b"\x81\x02hi")
        peer.hang()

    websocket = open_websocket(way.client_for(script))
    assert [status for status, _ in websocket.answer.interim] == [103]
    assert websocket.read_frame().payload == b"hi"


# ---- compression ------------------------------------------------------------------------------------------------------

def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_deflate_passes_when_forwarding(lab, way):
    def script(peer):
        peer.accept_websocket([("Sec-WebSocket-Extensions", "permessage-deflate")])
        frame = peer.read_frame()
        peer.send_frame(frame.opcode, frame.payload, frame.fin, frame.rsv)
        peer.hang()

    websocket = open_websocket(way.client_for(script), extra=[DEFLATE])
    assert websocket.answer.header("sec-websocket-extensions") == "permessage-deflate"
    websocket.send_frame(TEXT, deflated(b"hello"), rsv=4)
    frame = websocket.read_frame()
    assert (frame.rsv, frame.payload) == (4, deflated(b"hello"))


def test_deflate_ends_here_when_terminating(lab, way):
    backend = lab.backend(echo_websocket)
    gateway = way.gateway(backend, route={"websocket": {"mode": "terminate", "compression": "offload"}})
    websocket = open_websocket(way.client(gateway), extra=[DEFLATE])
    assert websocket.answer.header("sec-websocket-extensions").startswith("permessage-deflate")
    assert "sec-websocket-extensions" not in backend.requests[0].names()
    message = b"the same again and again " * 100
    websocket.send_frame(TEXT, deflated(message), rsv=4)
    frame = websocket.read_frame()
    assert (frame.rsv, zlib.decompressobj(-15).decompress(frame.payload + b"\0\0\xff\xff")) == (4, message)
    assert message not in backend.received(), "masked"
    assert len(backend.received()) > len(message), "inflated"


# ---- the end ----------------------------------------------------------------------------------------------------------

def test_close(lab, way):
    backend = lab.backend(echo_websocket)
    gateway = way.gateway(backend)
    client = way.client(gateway)
    websocket = open_websocket(client)
    websocket.send_frame(CLOSE, close_payload(4321, b"enough"))
    assert websocket.read_frame().payload == close_payload(4321, b"enough")
    websocket.expect_closed()
    assert websocket.ended == "fin"
    websocket.half_close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    line = gateway.wait_log(event="tunnel_close")
    assert (line["tunnel"]["close_code"], line["tunnel"]["close_initiator"]) == (4321, "client")
    assert not line.get("failure")
    assert_carries(open_websocket(client))


def test_browsers_leave_by_a_reset_behind_the_close(lab, way):
    gateway = way.gateway(lab.backend(echo_websocket))
    websocket = open_websocket(way.client(gateway))
    websocket.send_frame(CLOSE, close_payload(1000))
    assert websocket.read_frame().opcode == CLOSE
    websocket.reset()
    line = gateway.wait_log(event="tunnel_close")
    assert line["tunnel"]["close_code"] == 1000 and not line.get("failure")


@pytest.mark.parametrize("first", ["client", "backend"])
def test_half_close(lab, way, first):
    """END_STREAM is what a FIN is: the other direction goes on."""
    sign = threading.Event()

    def script(peer):
        peer.accept_websocket()
        if first == "backend":
            peer.half_close()
            assert peer.read_frame().payload == b"still here"
            assert peer.read_until_closed() == b""
        else:
            assert peer.read_until_closed() == b""
            peer.wait(sign)
            peer.send_frame(TEXT, b"still here")

    gateway = way.gateway(lab.backend(script))
    websocket = open_websocket(way.client(gateway))
    if first == "client":
        websocket.half_close()
        websocket.expect_silence(0.1)
        sign.set()
        assert websocket.read_frame().payload == b"still here"
        websocket.expect_closed()
    else:
        assert websocket.read_until_closed() == b""
        websocket.send_frame(TEXT, b"still here")
        websocket.half_close()
    assert websocket.ended == "fin"
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    wait_until(lambda: lab.backends[0].connections[0].finished.is_set(), "the backend's end")


def test_a_reset_of_the_client_reaches_the_backend(lab, way):
    backend = lab.backend(lambda peer: (peer.accept_websocket(), peer.hang()))
    gateway = way.gateway(backend)
    client = way.client(gateway)
    left, stays_open = open_websocket(client), open_websocket(client)
    left.send_frame(TEXT, b"the last word")
    left.reset()
    wait_until(backend.connections[0].finished.is_set, "the backend's end")
    gateway.wait_metric("sluice_websocket_tunnels_open", 1)
    line = gateway.wait_log(event="tunnel_close")
    assert (line["tunnel"]["close_initiator"], bool(line["failure"])) == ("client", True)
    stays_open.expect_silence(0.1)


def test_what_was_said_before_a_reset_is_passed_on(lab, way):
    """As a message is that lies in a socket when its sender resets the connection."""
    backend = lab.backend(lambda peer: (peer.accept_websocket(), peer.hang()))
    client = way.client(way.gateway(backend))
    websocket = open_websocket(client)
    frame = masked(TEXT, b"the last word")
    client._h2.send_data(websocket.number, frame)
    client._h2.reset_stream(websocket.number, CANCEL)
    client.flush()  # in one segment
    wait_until(backend.connections[0].finished.is_set, "the backend's end")
    assert backend.connections[0].received.endswith(frame)


def test_a_reset_of_the_backend_reaches_the_client(lab, way):
    sign = threading.Event()
    backend = lab.backend(lambda peer: (peer.accept_websocket(), peer.wait(sign), peer.reset()))
    gateway = way.gateway(backend)
    client = way.client(gateway)
    websocket = open_websocket(client)
    gateway.wait_metric("sluice_websocket_tunnels_open", 1)
    sign.set()
    answer = client.answer(websocket.number)
    assert (answer.ended, answer.reset) == (False, CANCEL)
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def test_a_connection_that_is_lost_ends_all_its_tunnels(lab, way):
    backend = lab.backend(lambda peer: (peer.accept_websocket(), peer.hang()))
    gateway = way.gateway(backend)
    client = way.client(gateway)
    for _ in range(50):
        open_websocket(client)
    gateway.wait_metric("sluice_websocket_tunnels_open", 50)
    client.stream.reset()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    wait_until(lambda: all(one.finished.is_set() for one in backend.connections), "the backend's connections to end")
    gateway.wait_log(50, event="tunnel_close")
    gateway.wait_metric("sluice_connections_open", 0)


def test_trailers_end_a_tunnel(lab, way):
    """RFC 9113 8.5: nothing but DATA may come on a connected stream."""
    backend = lab.backend(echo_websocket)
    client = way.client(way.gateway(backend))
    websocket = open_websocket(client)
    assert_carries(websocket)
    client.send_trailers(websocket.number, [("x", "y")])
    client.wait(lambda: websocket.answer.reset is not None)
    assert websocket.answer.reset == PROTOCOL_ERROR
    assert_carries(open_websocket(client))


def test_a_drain_says_close_and_ends_streams_and_connection(lab, way):
    gateway = way.gateway(lab.backend(echo_websocket), timeouts={"drain": "2s"})
    client = way.client(gateway)
    tunnels = [open_websocket(client) for _ in range(3)]
    gateway.signal(signal.SIGTERM)
    for websocket in tunnels:
        frame = websocket.read_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
        websocket.send_frame(CLOSE, frame.payload)
    for websocket in tunnels:
        websocket.expect_closed()
        assert websocket.ended == "fin"
    client.read_to_end()
    assert client.goaway == NO_ERROR
    assert gateway.wait_exit(timeout=5) == 0


# ---- many on one connection -------------------------------------------------------------------------------------------

def flood(peer):
    """Echoes, but for a message that asks for more than anybody keeps."""
    peer.accept_websocket()
    while True:
        frame = peer.read_frame(timeout=60)
        if frame.payload == b"flood":
            peer.socket.settimeout(seconds(60))
            for _ in range(64):
                peer.socket.sendall(frame_bytes(BINARY, bytes(65536)))
        else:
            peer.send_frame(frame.opcode, frame.payload)


@pytest.mark.deadline(90)
def test_a_hundred_tunnels_of_which_one_is_stalled(lab, way):
    gateway = way.gateway(lab.backend(flood), workers=1)
    client = way.client(gateway)
    stalled, *others = [open_websocket(client) for _ in range(100)]
    client.stalled.add(stalled.number)
    stalled.send_frame(TEXT, b"flood")
    gateway.wait_metric("sluice_websocket_pauses_total", 1, route="all", direction="to_client")
    times = []
    for turn in range(3):
        for at, websocket in enumerate(others):
            begin = time.monotonic()
            websocket.send_frame(TEXT, b"%d of %d" % (at, turn))
            assert websocket.read_frame().payload == b"%d of %d" % (at, turn)
            times.append(time.monotonic() - begin)
    assert sorted(times)[len(times) * 99 // 100] < seconds(0.25)
    assert gateway.metric("sluice_connections_accepted_total") == 1
    client.open_windows(stalled.number)
    assert sum(len(stalled.read_frame(timeout=20).payload) for _ in range(64)) == 64 * 65536


def test_a_backend_that_does_not_read_stops_its_own_tunnel_alone(lab, way):
    def script(peer):
        if peer.index == 0:
            peer.accept_websocket()
            peer.wait(gone)
        else:
            echo_websocket(peer)

    gone = threading.Event()
    gateway = way.gateway(lab.backend(script, receive_buffer=4096), workers=1)
    client = way.client(gateway)
    stalled, other = open_websocket(client), open_websocket(client)
    large = memoryview(masked(BINARY, bytes(64 * MIB)))
    while (room := client.window(stalled.number)) > 0:
        client.send_now(stalled.number, large[:min(room, 16384)])
        large = large[min(room, 16384):]
        assert_carries(other)
    assert len(large) > 32 * MIB
    stays(lambda: client.window(stalled.number) == 0, "the window to stay shut")
    assert_carries(other)
    gone.set()


def test_requests_and_tunnels_share_a_connection(lab, way):
    def script(peer):
        request = peer.read_request_head()
        if request.header("Upgrade"):
            peer.unread(request.head)
            return echo_websocket(peer)
        peer.respond(body=b"a page")

    gateway = way.gateway(lab.backend(script))
    client = way.client(gateway)
    tunnels = [open_websocket(client) for _ in range(5)]
    for websocket in tunnels:
        assert client.request(path="/page").body == b"a page"
        assert_carries(websocket)
    assert gateway.metric("sluice_connections_accepted_total") == 1


@pytest.mark.parametrize("action, code", [("close", 1013), ("drop", None)])
def test_slow_consumer(lab, way, action, code):
    """Its window is what it does not open; others do not notice."""
    rules = {"slow_consumer": {"action": action, "buffer": "64KiB", "after": "100ms"}}
    gateway = way.gateway(lab.backend(flood), workers=1, route={"websocket": rules})
    client = way.client(gateway)
    slow, other = open_websocket(client), open_websocket(client)
    client.stalled.add(slow.number)
    slow.send_frame(TEXT, b"flood")
    if action == "drop":
        wait_until(lambda: gateway.metric("sluice_websocket_dropped_messages_total", route="all") > 0, "messages to be dropped")
    else:
        gateway.wait_metric("sluice_websocket_violations_total", 1, route="all", sender="client", rule="slow_consumer")
    assert_carries(other)
    client.open_windows(slow.number)
    if action == "close":
        while (frame := slow.read_frame()).opcode != CLOSE:
            pass
        assert frame.close_code == code
        slow.send_frame(CLOSE, frame.payload)
        slow.expect_closed()
    assert_carries(other)


def test_what_a_slow_client_keeps_is_bounded(lab, way):
    """limits.max_held_bytes: who takes nothing for longest is cut, by a reset of its stream."""
    gateway = way.gateway(lab.backend(flood), workers=1, limits={"max_held_bytes": "256KiB"},
                          route={"websocket": {"slow_consumer": {"buffer": "1MiB"}}})
    client = way.client(gateway)
    slow = [open_websocket(client) for _ in range(8)]
    other = open_websocket(client)
    for websocket in slow:
        client.stalled.add(websocket.number)
        websocket.send_frame(TEXT, b"flood")
    client.wait(lambda: any(one.answer.reset is not None for one in slow), 10)
    assert gateway.metric("sluice_held_bytes") <= 256 * 1024
    assert_carries(other)


@pytest.mark.parametrize("cut", range(5))
def test_who_has_little_to_take_is_not_cut_for_those_who_have_much(lab, way, cut):
    """Its message waits behind what the others are sent, for as long as the client reads nothing at all: until so many are cut."""
    gateway = way.gateway(lab.backend(flood), workers=1, limits={"max_held_bytes": "256KiB"},
                          route={"websocket": {"slow_consumer": {"buffer": "1MiB"}}})
    client = way.client(gateway)
    slow = [open_websocket(client) for _ in range(8)]
    other = open_websocket(client)
    for number, websocket in enumerate(slow):
        client.stalled.add(websocket.number)
        websocket.send_frame(TEXT, b"flood")
        if number == len(slow) // 2:
            other.send_frame(TEXT, b"still here?")
    wait_until(lambda: gateway.metric("sluice_held_bytes_rejections_total") >= cut, "streams to be cut")
    assert other.read_frame().payload == b"still here?"
    client.wait(lambda: any(one.answer.reset is not None for one in slow), 10)
    assert_carries(other)


def test_a_client_that_takes_nothing_is_reset(lab, way):
    gateway = way.gateway(lab.backend(flood), workers=1, timeouts={"client_write_idle": "300ms"})
    client = way.client(gateway)
    slow, other = open_websocket(client), open_websocket(client)
    client.stalled.add(slow.number)
    slow.send_frame(TEXT, b"flood")
    client.wait(lambda: slow.answer.reset is not None, 10)
    assert_carries(other)
    gateway.wait_metric("sluice_websocket_tunnels_open", 1)
