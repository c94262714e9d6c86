"""What neither side of a WebSocket may send: nothing of such a frame passes, both sides get a Close, and the metrics and the log
name the rule. Each rule by itself: tests/unit/gateway/websocket/frame_rules_test.cpp."""

import pytest

from support.raw_backend import echo_websocket, keep_frames
from support.waiting import wait_until
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, assert_carries, close_payload, frame_bytes, masked, violations
from support.websocket_way import over  # noqa: F401 (a fixture)

MIB = 1024 * 1024


def tunnel(over, script=echo_websocket, extra=(), **rules):
    backend = over.backend(script)
    gateway = over.gateway(backend, route={"websocket": rules})
    return backend, gateway, over.open(gateway, extra=extra)


CLIENTS_FAULTS = {
    "unmasked": (frame_bytes(TEXT, b"plain"), 1002),
    "reserved_bits": (masked(TEXT, b"x", rsv=4), 1002),
    "reserved_opcode": (masked(3, b"x"), 1002),
    "control_too_long": (masked(PING, bytes(126)), 1002),
    "control_fragmented": (masked(PING, b"", fin=False), 1002),
    "unexpected_continuation": (masked(CONTINUATION, b"x"), 1002),
    "missing_continuation": (masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002),
    "long_length": (b"\x81\xfe\x00\x01mask" + b"x", 1002),
    "impossible_length": (b"\x81\xff" + (2**63).to_bytes(8, "big") + b"mask", 1002),
    "close_payload": (masked(CLOSE, b"\x03"), 1002),
    "close_code": (masked(CLOSE, close_payload(1005)), 1002),
    "close_reason": (masked(CLOSE, close_payload(1000, b"\xff")), 1007),
}


@pytest.mark.parametrize("rule", CLIENTS_FAULTS)
def test_a_client_that_breaks_the_protocol(over, rule):
    fault, code = CLIENTS_FAULTS[rule]
    seen = []
    _, gateway, client = tunnel(over, keep_frames(seen))
    client.send(masked(TEXT, b"fine") + fault)
    close = client.read_frame()
    assert (close.opcode, close.close_code) == (CLOSE, code)
    client.send_frame(CLOSE, close.payload)
    assert client.read_until_closed() == b""
    client.close()
    wait_until(lambda: seen and seen[-1].opcode == CLOSE, "the backend's Close")
    assert seen[0].payload == b"fine"
    assert seen[-1].close_code == 1001
    assert {frame.payload for frame in seen[1:-1]} <= {b"x"}, "of the frame that breaks the rule nothing passes"
    assert violations(gateway, "client", rule) == 1
    line = gateway.wait_log(event="tunnel_close")["tunnel"]
    assert (line["violation"], line["violator"], line["close_code"], line["close_initiator"]) == (rule, "client", code, "gateway")


@pytest.mark.parametrize("rule,fault", [
    ("masked", masked(TEXT, b"x")),
    ("reserved_bits", frame_bytes(BINARY, b"x", rsv=1)),
    ("close_code", frame_bytes(CLOSE, close_payload(2000))),
])
def test_a_backend_that_breaks_the_protocol(over, rule, fault):
    def script(peer):
        peer.accept_websocket()
        peer.send(frame_bytes(TEXT, b"fine") + fault)
        close = peer.read_frame()
        peer.send_frame(CLOSE, close.payload)
        assert close.close_code == 1002

    backend, gateway, client = tunnel(over, script)
    assert client.read_frame().payload == b"fine"
    close = client.read_frame()
    assert (close.opcode, close.close_code) == (CLOSE, 1011)
    client.send_frame(CLOSE, close.payload)
    assert client.read_until_closed() == b""
    assert violations(gateway, "upstream", rule) == 1


def test_a_size_is_refused_before_it_is_read(over):
    """The client has sent no more than a header."""
    backend, gateway, client = tunnel(over, max_message_size=1000)
    client.send(masked(BINARY, bytes(1000)))
    assert len(client.read_frame().payload) == 1000
    client.send(masked(BINARY, bytes(1001))[:8])
    close = client.read_frame()
    assert (close.opcode, close.close_code) == (CLOSE, 1009)
    assert violations(gateway, "client", "message_too_big") == 1


def test_fragments_of_a_message_add_up(over):
    _, gateway, client = tunnel(over, max_message_size=2500, max_frame_size=1000)
    client.send(masked(BINARY, bytes(1000), fin=False) + masked(CONTINUATION, bytes(1000), fin=False) + masked(CONTINUATION, bytes(500)))
    assert [len(client.read_frame().payload) for _ in range(3)] == [1000, 1000, 500]
    client.send(masked(BINARY, bytes(1000), fin=False) + masked(CONTINUATION, bytes(1000), fin=False) + masked(CONTINUATION, bytes(501)))
    frame = client.read_frame()
    while frame.opcode != CLOSE:
        frame = client.read_frame()
    assert frame.close_code == 1009
    assert violations(gateway, "client", "message_too_big") == 1


def test_a_backends_messages_are_limited_too(over):
    def script(peer):
        peer.accept_websocket()
        peer.send_frame(BINARY, bytes(1001))
        peer.hang()

    _, gateway, client = tunnel(over, script, max_frame_size=1000)
    assert client.read_frame().close_code == 1011
    assert violations(gateway, "upstream", "frame_too_big") == 1


def test_without_a_limit_of_its_own_a_route_takes_64_mib(over):
    _, gateway, client = tunnel(over)
    client.send(b"\x82\xff" + (64 * MIB + 1).to_bytes(8, "big") + b"mask")
    assert client.read_frame().close_code == 1009
    _, gateway, client = tunnel(over, lambda peer: (peer.accept_websocket(), peer.hang()), max_message_size="off")
    client.send(b"\x82\xff" + (64 * MIB + 1).to_bytes(8, "big") + b"mask")
    gateway.wait_metric("sluice_websocket_messages_total", 1, direction="to_upstream")
    assert violations(gateway, "client", "message_too_big") == 0


def test_what_is_observed_passes_and_is_told_of(over):
    _, gateway, client = tunnel(over, max_message_size=10, observe=True)
    client.send(masked(TEXT, b"more than ten bytes"))
    assert client.read_frame().payload == b"more than ten bytes"
    assert violations(gateway, "client", "message_too_big") == 1
    gateway.wait_metric("sluice_websocket_violations_total", 1, route="all", sender="upstream", rule="message_too_big")
    client.send_frame(CLOSE, close_payload(1000))
    assert client.read_frame().close_code == 1000
    client.close()
    line = gateway.wait_log(event="tunnel_close")["tunnel"]
    assert (line["violation"], line["close_code"], line["close_initiator"]) == ("message_too_big", 1000, "client")


def extension(text):
    return [("Sec-WebSocket-Extensions", text)]


def agreeing(text):
    """An echo that agrees on the extension."""
    def script(peer):
        peer.accept_websocket(extension(text))
        while True:
            frame = peer.read_frame()
            peer.send_frame(frame.opcode, frame.payload, frame.fin, frame.rsv)
    return script


def test_compressed_messages_have_their_bit(over):
    deflate = "permessage-deflate"
    _, gateway, client = tunnel(over, agreeing(deflate), extra=extension(deflate))
    client.send(masked(TEXT, b"part", fin=False, rsv=4) + masked(CONTINUATION, b"rest"))
    assert [(client.read_frame().rsv) for _ in range(2)] == [4, 0]
    client.send(masked(TEXT, b"part", rsv=2))
    assert client.read_frame().close_code == 1002
    assert violations(gateway, "client", "reserved_bits") == 1


def test_an_extension_that_nobody_knows_has_any_bits(over):
    _, gateway, client = tunnel(over, agreeing("x-own"), extra=extension("x-own"))
    client.send(masked(TEXT, b"a", rsv=7) + masked(PING, b"b", rsv=1))
    assert [client.read_frame().rsv for _ in range(2)] == [7, 1]


def test_one_that_broke_a_rule_costs_its_own_tunnel_alone(over):
    backend, gateway, client = tunnel(over)
    other = over.open(gateway)
    client.send(masked(7, b""))
    assert client.read_frame().close_code == 1002
    assert_carries(other)
