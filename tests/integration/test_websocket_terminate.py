"""WebSockets that the gateway ends itself (`mode: terminate`), with real peers and with scripted ones. What is said where:

    RFC 6455  4.2.2   the gateway's own answer: key, subprotocol, extension     test_the_two_handshakes_*, test_subprotocols
              5.3     frames to the backend are masked anew, to the client not  test_frames_are_made_anew
              5.4     fragments                                                 test_a_message_that_is_not_whole_goes_on_at_once
              5.5.1   Close passes                                              test_close_passes_both_ways
              5.5.2-3 Ping and Pong                                             test_pings_are_answered_here
              8.1     text is UTF-8                                             test_what_a_client_may_not_send
    RFC 7692  5, 7.1  offers and answers                                        test_every_window_and_takeover
              6       RSV1                                                      test_what_a_client_may_not_send
              7.2     deflated messages                                         test_echo, test_every_window_and_takeover
"""

import asyncio
import os
import threading
import zlib
from pathlib import Path

import pytest
import websockets
import yaml
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from support.binary import is_sanitized
from support.raw_backend import echo_websocket, keep_frames
from support.waiting import seconds, wait_until
from support.websocket import (BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, assert_carries, close_payload,
                               masked, open_websocket, upgrade_bytes, violations)

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/offload.yaml"
MIB = 1024 * 1024
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
MEMORY = "sluice_websocket_compression_memory_bytes"


def run(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, seconds(90)))


def connect(gateway, path="/ws", **options):
    options.setdefault("max_size", 32 * MIB)
    options.setdefault("open_timeout", seconds(20))
    return websockets.connect(f"ws://127.0.0.1:{gateway.port}{path}", **options)


def terminating(lab, backend, compression="offload", **rules):
    return lab.gateway(backend, route={"websocket": {"mode": "terminate", "compression": compression, **rules}},
                       timeouts={"drain": "1s"})


def tunnel(lab, script=echo_websocket, extra=(DEFLATE,), **rules):
    backend = lab.backend(script)
    gateway = terminating(lab, backend, **rules)
    client = lab.client(gateway)
    response = open_websocket(client, extra=extra)
    return backend, gateway, client, response


def deflated(data, bits=15):
    packer = zlib.compressobj(9, zlib.DEFLATED, -bits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(data):
    return zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")


def assert_ended(gateway, **expected):
    """The tunnel's last word in the access log."""
    seen = gateway.wait_log(event="tunnel_close")["tunnel"]
    assert {key: seen.get(key) for key in expected} == expected


@pytest.fixture(params=["uvicorn", "node"])
def real(lab, request):
    backend = lab.uvicorn("--ws-max-size", str(32 * MIB)) if request.param == "uvicorn" else lab.node_echo()
    return terminating(lab, backend)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_echo(real, compression):
    async def conversation():
        async with connect(real, compression=compression) as socket:
            for payload in ("text: \u00e4\u20ac\U0001f600", b"\x00\xff" * 10, "", b"", "a" * 127, "b" * 128, "\u20ac" * 50000, os.urandom(200000)):
                await socket.send(payload)
                assert await socket.recv() == payload
            await socket.send(["one ", "two ", "", "three"])
            assert await socket.recv() == "one two three"
            await socket.send([bytes(70000)] * 5)
            assert await socket.recv() == bytes(350000)

    run(conversation())


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no_takeover"])
@pytest.mark.parametrize("bits", [None, *range(8, 16)])
def test_every_window_and_takeover(lab, bits, takeover):
    backend = lab.backend(echo_websocket)
    gateway = terminating(lab, backend)
    # Of zlib, whose smallest window for compressing is 9.
    offer = ClientPerMessageDeflateFactory(server_no_context_takeover=not takeover, client_no_context_takeover=not takeover,
                                           server_max_window_bits=bits, client_max_window_bits=max(bits, 9) if bits else True)
    messages = [f"message {i}: " + "all the same words " * 20 + "\u20ac" * (i * 700) for i in range(12)]

    async def conversation():
        async with connect(gateway, extensions=[offer], compression=None) as socket:
            chosen = socket.response_headers["Sec-WebSocket-Extensions"]
            assert ("server_no_context_takeover" in chosen) == (not takeover)
            for message in messages:
                await socket.send(message)
                assert await socket.recv() == message
                await socket.send([message[:5], message[5:300], message[300:]])
                assert await socket.recv() == message

    run(conversation())
    assert all("permessage" not in str(request.headers) for request in backend.requests)


@pytest.mark.slow
@pytest.mark.deadline(120)
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_16_mib_whole_and_in_many_fragments(lab, compression):
    gateway = terminating(lab, lab.node_echo())
    payload = os.urandom(MIB) * 8 + bytes(8 * MIB)

    async def conversation():
        async with connect(gateway, compression=compression, ping_interval=None) as socket:
            await socket.send(payload)
            assert await socket.recv() == payload
            await socket.send([payload[:MIB][i:i + 256] for i in range(0, MIB, 256)])
            assert await socket.recv() == payload[:MIB]

    run(conversation())


def test_the_two_handshakes_are_of_the_gateways_own(lab):
    backend, _, _, response = tunnel(lab, extra=(DEFLATE, ("Sec-WebSocket-Protocol", "mqtt, chat"), ("Cookie", "a=b")))
    request = backend.requests[0]
    assert request.header("Sec-WebSocket-Extensions") is None
    assert request.header("Sec-WebSocket-Key") not in (None, KEY)
    assert request.header("Cookie") == "a=b"
    # Without a list of the route's, the subprotocol is between the client and the backend.
    assert request.header("Sec-WebSocket-Protocol") == "mqtt, chat"
    assert response.header("Sec-WebSocket-Protocol") is None
    assert response.header("Sec-WebSocket-Extensions") == "permessage-deflate; client_max_window_bits=12"


@pytest.mark.parametrize("compression, offer", [("off", DEFLATE), ("offload", ("X-Other", "1")),
                                                ("offload", ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=7, x-other"))])
def test_without_an_extension(lab, compression, offer):
    backend, gateway, client, response = tunnel(lab, extra=(offer,), compression=compression)
    assert response.header("Sec-WebSocket-Extensions") is None
    assert backend.requests[0].header("Sec-WebSocket-Extensions") is None
    assert_carries(client)
    client.send(masked(TEXT, deflated(b"x"), rsv=4))
    assert client.read_frame().close_code == 1002
    assert violations(gateway, "client", "reserved_bits") == 1


SUBPROTOCOLS = [
    # the route's, the client's, what the backend is offered and the client gets
    (["chat.v2", "chat.v1"], "chat.v1, chat.v2", "chat.v1"),
    (["chat.v2"], "mqtt, chat.v2", "chat.v2"),
    (["chat.v2"], "mqtt", None),
    (["chat.v2"], "CHAT.V2", None),
    (["chat.v2"], None, None),
]


@pytest.mark.parametrize("known, offered, chosen", SUBPROTOCOLS)
def test_subprotocols(lab, known, offered, chosen):
    extra = [("Sec-WebSocket-Protocol", offered)] if offered else []
    backend, _, client, response = tunnel(lab, extra=extra, subprotocols=known)
    assert backend.requests[0].header("Sec-WebSocket-Protocol") == chosen
    assert response.header("Sec-WebSocket-Protocol") == chosen
    assert_carries(client)


def test_a_subprotocol_that_the_backend_chooses(lab):
    def script(peer):
        peer.accept_websocket(headers=[("Sec-WebSocket-Protocol", "chat")])
        peer.hang()

    _, _, _, response = tunnel(lab, script, extra=[("Sec-WebSocket-Protocol", "mqtt, chat")])
    assert response.header("Sec-WebSocket-Protocol") == "chat"


@pytest.mark.parametrize("headers", [[("Sec-WebSocket-Extensions", "permessage-deflate")], [("Sec-WebSocket-Protocol", "other")]])
def test_a_backend_that_chooses_what_was_not_offered(lab, headers):
    def script(peer):
        peer.accept_websocket(headers=headers)
        peer.hang()

    gateway = terminating(lab, lab.backend(script))
    client = lab.client(gateway)
    client.send(upgrade_bytes(extra=[DEFLATE]))
    assert client.response().status == 502


def test_a_list_without_extensions_stays_with_the_gateway(lab):
    def script(peer):
        peer.accept_websocket(headers=[("Sec-WebSocket-Extensions", ", ,")])
        peer.hang()

    _, _, _, response = tunnel(lab, script, compression="off")
    assert response.header("Sec-WebSocket-Extensions") is None


def test_a_backends_refusal_reaches_the_client(lab):
    def script(peer):
        peer.read_request_head()
        peer.respond(403, b"not you")

    client = lab.client(terminating(lab, lab.backend(script)))
    client.send(upgrade_bytes(extra=[DEFLATE]))
    response = client.response()
    assert (response.status, response.body) == (403, b"not you")


def test_frames_are_made_anew(lab):
    seen = []

    def script(peer):
        peer.accept_websocket()
        for _ in range(3):
            seen.append(peer.read_frame())
        peer.send_frame(TEXT, b"a", fin=False)
        peer.send_frame(CONTINUATION, b"b" * 200)
        peer.hang()

    _, _, client, _ = tunnel(lab, script)
    client.send(masked(TEXT, b"one ", fin=False) + masked(CONTINUATION, b"message") + masked(BINARY, deflated(b"z" * 1000), rsv=4)
                + masked(TEXT, b""))
    wait_until(lambda: len(seen) == 3, "three frames")
    assert [(frame.opcode, frame.payload, frame.fin, frame.rsv) for frame in seen] == [
        (TEXT, b"one message", True, 0), (BINARY, b"z" * 1000, True, 0), (TEXT, b"", True, 0)]
    first = client.read_frame()
    assert (first.opcode, first.masked) == (TEXT, False)
    data, frame = first.payload, first
    while not frame.fin:
        frame = client.read_frame()
        assert (frame.opcode, frame.rsv) == (CONTINUATION, 0)
        data += frame.payload
    assert (inflated(data) if first.rsv == 4 else data) == b"a" + b"b" * 200


def test_a_message_that_is_not_whole_goes_on_at_once(lab):
    seen = []

    def script(peer):
        peer.accept_websocket()
        while not seen or not seen[-1].fin:
            seen.append(peer.read_frame())
        peer.hang()

    _, _, client, _ = tunnel(lab, script)
    whole = masked(TEXT, b"hello, this takes a while")
    client.send(whole[:11])
    wait_until(lambda: b"".join(frame.payload for frame in seen) == b"hello", "the beginning")
    client.send(whole[11:])
    wait_until(lambda: seen[-1].fin, "the end")
    assert b"".join(frame.payload for frame in seen) == b"hello, this takes a while"
    assert [frame.opcode for frame in seen] == [TEXT] + [CONTINUATION] * (len(seen) - 1)


def test_pings_are_answered_here(lab):
    seen = []

    def script(peer):
        peer.accept_websocket()
        peer.send_frame(PING, b"from the backend")
        while not {b"end", b"from the backend"} <= {frame.payload for frame in seen}:
            seen.append(peer.read_frame())
        peer.send_frame(TEXT, b"done")
        peer.hang()

    _, _, client, _ = tunnel(lab, script)
    for payload in (b"", b"x" * 125, b"\xff\xfe"):
        client.send(masked(TEXT, b"a", fin=False) if payload == b"" else b"")
        client.send(masked(PING, payload) + masked(PONG, b"unasked"))
        frame = client.read_frame()
        assert (frame.opcode, frame.payload) == (PONG, payload)
    client.send(masked(CONTINUATION, b"b"))
    client.send(masked(TEXT, b"end"))
    assert client.read_frame().payload == b"done"
    assert [frame.payload for frame in seen if frame.opcode >= CLOSE] == [b"from the backend"]
    assert b"".join(frame.payload for frame in seen if frame.opcode < CLOSE) == b"abend"


def test_a_flood_of_pings_from_a_client_that_does_not_read(lab):
    _, gateway, client, _ = tunnel(lab)
    before = gateway.rss_mib()
    for _ in range(200):
        client.send(masked(PING, b"p" * 100) * 500)
    client.send(masked(PING, b"last"))
    last = None
    while last != b"last":
        frame = client.read_frame()
        assert frame.opcode == PONG
        last = frame.payload
    assert is_sanitized() or gateway.rss_mib() < before + 20
    assert_carries(client)


def test_close_passes_both_ways(lab):
    for code, reason in ((1000, b""), (4321, "f\u00fcr immer".encode()), (None, b"")):
        payload = close_payload(code, reason) if code else b""
        _, gateway, client, _ = tunnel(lab)
        client.send(masked(CLOSE, payload))
        assert client.read_frame().payload == payload
        client.close()
        assert_ended(gateway, close_code=code or 1005, close_initiator="client")

        def script(peer, payload=payload):
            peer.accept_websocket()
            peer.send_frame(CLOSE, payload)
            assert peer.read_frame().payload == payload

        _, gateway, client, _ = tunnel(lab, script)
        close = client.read_frame()
        assert (close.opcode, close.payload) == (CLOSE, payload)
        client.send(masked(CLOSE, payload))
        client.close()
        assert_ended(gateway, close_code=code or 1005, close_initiator="upstream")


WRONG = {
    "text": (masked(TEXT, b"\xce\xba\xed\xa0\x80"), 1007, "text_not_utf8"),
    "text that ends within a character": (masked(TEXT, b"\xe2\x82"), 1007, "text_not_utf8"),
    "text in fragments": (masked(TEXT, b"\xf4", fin=False) + masked(CONTINUATION, b"\x90"), 1007, "text_not_utf8"),
    "deflated text": (masked(TEXT, deflated(b"fine so far \xff"), rsv=4), 1007, "text_not_utf8"),
    "no deflated data": (masked(BINARY, b"\x07\x07", rsv=4), 1007, "broken_deflate"),
    "half of the deflated data": (masked(BINARY, deflated(b"something")[:4], rsv=4), 1007, "broken_deflate"),
    "RSV1 in a continuation": (masked(BINARY, b"x", fin=False) + masked(CONTINUATION, b"x", rsv=4), 1002, "reserved_bits"),
    "RSV1 in a Ping": (masked(PING, b"x", rsv=4), 1002, "reserved_bits"),
    "RSV2": (masked(TEXT, b"x", rsv=2), 1002, "reserved_bits"),
    "a bomb": (masked(BINARY, deflated(bytes(20 * MIB)), rsv=4), 1009, "message_too_big"),
    "a large message": (masked(BINARY, bytes(MIB + 1)), 1009, "message_too_big"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_client_may_not_send(lab, wrong):
    fault, code, rule = WRONG[wrong]
    seen = []
    _, gateway, client, _ = tunnel(lab, keep_frames(seen), max_message_size="1MiB")
    client.send(masked(TEXT, b"fine"))
    # More than the sockets take: the gateway looks for a Close behind what is wrong.
    sender = threading.Thread(target=client.send, args=(fault,))
    sender.start()
    close = client.read_frame()
    sender.join()
    assert (close.opcode, close.close_code) == (CLOSE, code)
    client.send(masked(CLOSE, close.payload))
    wait_until(lambda: seen and seen[-1].opcode == CLOSE, "the backend's Close")
    assert seen[-1].close_code == 1001
    assert seen[0].payload == b"fine"
    assert not any(frame.opcode in (TEXT, CONTINUATION) and b"\xff" in frame.payload for frame in seen)
    assert sum(len(frame.payload) for frame in seen) < 2 * MIB
    assert_ended(gateway, violation=rule, violator="client")
    assert violations(gateway, "client", rule) == 1


def test_wrong_text_is_told_within_its_frame(lab):
    _, gateway, client, _ = tunnel(lab)
    whole = masked(TEXT, b"\xf4\x90" + b"x" * 100)
    client.send(whole[:20])
    assert client.read_frame().close_code == 1007
    client.send(whole[20:] + masked(CLOSE, close_payload(1007)))
    assert_ended(gateway, close_code=1007, close_initiator="gateway", violation="text_not_utf8", violator="client")


def test_a_wrong_text_and_a_close_in_one_piece(lab):
    _, gateway, client, _ = tunnel(lab)
    client.send(masked(TEXT, b"\xff") + masked(CLOSE, close_payload(1000)))
    assert client.read_frame().close_code == 1007
    assert_ended(gateway, close_code=1007, close_initiator="gateway", violation="text_not_utf8")


def test_a_backend_that_sends_wrong_text(lab):
    seen = []

    def script(peer):
        peer.accept_websocket()
        peer.send_frame(TEXT, b"\xff" * 200)
        seen.append(peer.read_frame())
        peer.send_frame(CLOSE, seen[0].payload)

    _, gateway, client, _ = tunnel(lab, script)
    close = client.read_frame()
    assert (close.opcode, close.close_code) == (CLOSE, 1011)
    client.send(masked(CLOSE, close.payload))
    wait_until(lambda: seen, "the backend's Close")
    assert seen[0].close_code == 1007
    assert violations(gateway, "upstream", "text_not_utf8") == 1


def test_memory_of_compression_is_shown_and_given_back(lab):
    _, gateway, client, _ = tunnel(lab, extra=[("Sec-WebSocket-Extensions", "permessage-deflate")])
    assert gateway.metric(MEMORY, route="all") == 0
    client.send(masked(TEXT, deflated(b"word " * 1000), rsv=4))
    frame = client.read_frame()
    assert frame.rsv == 4 and inflated(frame.payload) == b"word " * 1000
    assert 30_000 < gateway.metric(MEMORY, route="all") < 120_000
    client.send(masked(CLOSE, close_payload(1000)))
    client.close()
    gateway.wait_metric(MEMORY, 0, route="all")


def test_a_bomb_to_a_backend_that_does_not_read_takes_no_memory(lab):
    go_on = threading.Event()
    received = []

    def script(peer):
        peer.accept_websocket()
        peer.wait(go_on, 60)
        frame = None
        while frame is None or not frame.fin:
            frame = peer.read_frame()
            received.append(len(frame.payload))
        peer.hang()

    backend = lab.backend(script, receive_buffer=65536, record=False)
    gateway = terminating(lab, backend, max_message_size="off")
    client = lab.client(gateway)
    open_websocket(client, extra=[DEFLATE])
    before = gateway.rss_mib()
    client.send(masked(BINARY, deflated(bytes(100 * MIB)), rsv=4))
    wait_until(lambda: gateway.metric(MEMORY, route="all") > 0, "inflating")
    assert is_sanitized() or gateway.rss_mib() < before + 30
    go_on.set()
    wait_until(lambda: sum(received) == 100 * MIB, "all of it", 60)
    assert is_sanitized() or gateway.rss_mib() < before + 30
    assert max(received) < 128 * 1024


def test_forward_without_compression_does_not_offer_it(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, route={"websocket": {"compression": "off"}})
    client = lab.client(gateway)
    open_websocket(client, extra=[DEFLATE])
    assert backend.requests[0].header("Sec-WebSocket-Extensions") is None
    assert backend.requests[0].header("Sec-WebSocket-Key") == KEY
    assert_carries(client)


@pytest.mark.parametrize("fault, passes", [
    (masked(TEXT, b"\xff"), 0),
    (masked(TEXT, b"\xe2\x82", fin=False) + masked(PING, b"\xff") + masked(CONTINUATION, b"x"), 2),
    (masked(TEXT, b"\xe2\x82\xac", fin=False) + masked(CONTINUATION, b"\xe2"), 1),
])
def test_forward_that_looks_at_text(lab, fault, passes):
    seen = []
    backend = lab.backend(keep_frames(seen))
    gateway = lab.gateway(backend, route={"websocket": {"compression": "off", "validate_utf8": True}})
    client = lab.client(gateway)
    open_websocket(client)
    fine = masked(TEXT, "all right \u20ac".encode()) + masked(BINARY, b"\xff")
    client.send(fine + fault)
    while (close := client.read_frame()).opcode == PONG:
        pass
    assert (close.opcode, close.close_code) == (CLOSE, 1007)
    client.send(masked(CLOSE, close.payload))
    wait_until(lambda: seen and seen[-1].opcode == CLOSE, "the backend's Close")
    assert seen[-1].close_code == 1001
    assert len(seen) == 2 + passes + 1
    assert_ended(gateway, violation="text_not_utf8", violator="client")


def test_forward_that_sees_wrong_text_within_a_frame(lab):
    ended = threading.Event()

    def script(peer):
        peer.accept_websocket()
        peer.read_until_closed()
        ended.set()

    gateway = lab.gateway(lab.backend(script), route={"websocket": {"compression": "off", "validate_utf8": True}})
    client = lab.client(gateway)
    open_websocket(client)
    whole = masked(TEXT, b"x" * 100 + b"\xff" + b"y" * 100)
    client.send(whole[:50])
    gateway.wait_metric("sluice_websocket_frames_total", 1, route="all", direction="to_upstream")
    client.send(whole[50:])
    assert client.read_frame().close_code == 1007
    client.send(masked(CLOSE, close_payload(1007)))
    assert ended.wait(seconds(5))
    assert_ended(gateway, violation="text_not_utf8")


def test_the_example(lab):
    """deploy/examples/offload.yaml, with ports and a backend of the test's."""
    backend = lab.backend(echo_websocket)
    config = yaml.safe_load(EXAMPLE.read_text())
    config["listeners"][0]["address"] = "127.0.0.1:0"
    del config["listeners"][0]["tls"]
    config["routes"][1]["websocket"]["compression"] = "off"  # which is a boolean in YAML 1.1
    config["upstreams"][0]["endpoints"] = [backend.url]
    gateway = lab.gateway_from(config)
    client = lab.client(gateway)
    response = open_websocket(client, "/ws", extra=[DEFLATE, ("Sec-WebSocket-Protocol", "chat.v1")])
    assert response.header("Sec-WebSocket-Protocol") == "chat.v1"
    assert "permessage-deflate" in response.header("Sec-WebSocket-Extensions")
    client.send(masked(TEXT, deflated(b"hello " * 100), rsv=4))
    assert inflated(client.read_frame().payload) == b"hello " * 100
    other = lab.client(gateway)
    response = open_websocket(other, "/telemetry", extra=[DEFLATE])
    assert response.header("Sec-WebSocket-Extensions") is None
    other.send(masked(TEXT, b"\xff"))
    assert other.read_frame().close_code == 1007
