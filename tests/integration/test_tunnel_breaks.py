"""A side of a tunnel that dies, resets or falls silent at each byte of a frame's header, in a payload, between fragments and in its
Close, with `mode: forward`: the other side gets the bytes of what was whole, then the end; nothing stays behind; the log tells who it
was. How a tunnel breaks that the gateway ends itself: test_terminated_breaks.py."""

import threading
from dataclasses import dataclass

import pytest

from support.breaks import GRACE, IDLE, Break, Breaks, Way, every_break
from support.broken_streams import UNHEARD, pieces_of
from support.conformance import frames_of
from support.waiting import seconds
from support.websocket import BINARY, CLOSE, frame_bytes, open_websocket

WAYS = [Way("plain"), Way("tls-client", tls=("client",)), Way("tls-backend", tls=("upstream",))]
KEPT = 100  # messages of 100,000 bytes: more than sockets take
ENDINGS = [(way, ending) for way in WAYS for ending in ("fin", "notify", "reset") if ending != "notify" or way.tls]


@dataclass
class ForwardedBreak(Break):
    received: bytes = b""  # before the break

    def __post_init__(self):
        super().__post_init__()
        # Headers and Closes pass whole, payloads as they come.
        ends = [min(len(self.sent), piece.end) for piece in pieces_of(self.sent) if piece.whole or piece.frame.opcode != CLOSE]
        self.passed = self.sent[:max(ends)]
        self.at_boundary = all(piece.whole for piece in pieces_of(self.passed))

    def receive(self, stream):
        self.received = stream.read_exactly(len(self.passed))

    def check(self):
        got = self.received + self.rest
        assert got.startswith(self.passed), self.target
        told = close_codes(got[len(self.passed):]), close_codes(self.told)
        # A side that falls silent is told, unless it has had a Close, and so is the other side where no frame is under way.
        silent = self.ending == "stall"
        assert told[0] == ([1001] if silent and self.at_boundary and not self.closed else []), self.target
        assert told[1] == ([1001] if silent and not self.answers else []), self.target


def close_codes(data):
    return [one.close_code for one in frames_of(data)]


@pytest.mark.deadline(60)
@pytest.mark.parametrize("way, ending", ENDINGS, ids=[f"{way.name}-{ending}" for way, ending in ENDINGS])
def test_a_side_that_goes(lab, ca, way, ending):
    with Breaks(lab, ca, way) as breaks:
        breaks.play(every_break(ForwardedBreak, way, ending))
        breaks.check()


@pytest.mark.deadline(60)
@pytest.mark.parametrize("way, ending", ENDINGS, ids=[f"{way.name}-{ending}" for way, ending in ENDINGS])
def test_a_side_that_goes_while_it_is_spoken_to(lab, ca, way, ending):
    with Breaks(lab, ca, way) as breaks:
        breaks.play_unheard(every_break(ForwardedBreak, way, ending, UNHEARD))
        breaks.check()


@pytest.mark.deadline(60)
def test_a_side_that_falls_silent(lab, ca):
    """Both are cut when nobody answers."""
    with Breaks(lab, ca, *WAYS) as breaks:
        breaks.play_together(one for way in WAYS for one in every_break(ForwardedBreak, way, "stall"))
        breaks.check()
        for target, line in breaks.lines.items():
            assert line["tunnel"]["duration_ms"] < 1000 * (IDLE + GRACE + seconds(3)), target


@pytest.mark.parametrize("half_closed", [False, True])
def test_what_is_kept_for_a_slow_client_comes_before_the_end(lab, half_closed):
    """The backend ends, by FIN where the client has ended before, else by reset, when the gateway has all and the client nothing."""
    taken = threading.Event()
    message = frame_bytes(BINARY, bytes(100_000))

    def script(peer):
        peer.accept_websocket()
        if half_closed:
            peer.expect_closed()
        peer.send(message * KEPT)
        peer.wait(taken)
        if not half_closed:
            peer.reset()

    rules = {"slow_consumer": {"buffer": "32MiB"}}
    gateway = lab.gateway(lab.backend(script), route={"websocket": rules}, limits={"max_held_bytes": "64MiB"})
    client = lab.client(gateway, receive_buffer=4096)
    open_websocket(client)
    if half_closed:
        client.half_close()
    gateway.wait_metric("sluice_websocket_messages_total", KEPT, direction="to_client")
    taken.set()
    assert client.read_until_closed(timeout=20) == message * KEPT
