"""A side of a tunnel that dies, resets or falls silent at each byte of a frame's header, in a payload, between fragments and in its
Close, with `mode: terminate`. The gateway makes the frames of the other side itself (ARCHITECTURE.md, The tunnel), so what that side gets is:

    whole messages              each whole
    one that is not whole       what has come of it, in frames none of which is final. Towards a client that has agreed to deflate, a frame
                                that has not ended may still be in the compressor: of that, any beginning
    a Ping                      nothing: its sender gets the Pong
    a Close                     it, once it is whole
    then                        the end; behind a side that fell silent before its Close, a Close 1001 and the end, whatever was under
                                way, since the receiver always stands between two frames

Never half a frame. Nothing stays behind, and the log tells who it was. How bytes break that are forwarded: test_tunnel_breaks.py."""

import zlib
from dataclasses import dataclass

import pytest

from support.breaks import GRACE, IDLE, Break, Breaks, Way, every_break
from support.broken_streams import SIDES, UNHEARD, pieces_of
from support.conformance import frames_of
from support.waiting import seconds
from support.websocket import CLOSE, CONTINUATION, PING, PONG, close_payload

WAYS = [
    Way("plain", rules=(("mode", "terminate"),)),
    Way("tls", rules=(("mode", "terminate"),), tls=("client", "upstream")),
    Way("offload", rules=(("mode", "terminate"), ("compression", "offload")), deflates=True),
]
GOING_AWAY = close_payload(1001, b"idle timeout")
ENDINGS = [(way, ending) for way in WAYS for ending in ("fin", "notify", "reset") if ending != "notify" or way.tls]


class Told:
    """What frames have said so far, inflated; the last of them may have come in part."""

    def __init__(self):
        self.messages = []       # (opcode, payload) of the whole ones
        self.opcode = None       # of the one under way
        self.part = b""          # what has come of it
        self.whole_frames = 0    # how much of that is of frames that have ended
        self.controls = []       # (opcode, payload)
        self._inflater = zlib.decompressobj(-15)

    def add(self, frame, whole=True):
        if frame.opcode >= CLOSE:
            self.controls += [(frame.opcode, frame.payload)] if whole else []
            return
        if self.opcode is None:
            assert frame.opcode != CONTINUATION
            self.opcode, self.part, self.whole_frames, self._deflated = frame.opcode, b"", 0, frame.rsv
        else:
            assert (frame.opcode, frame.rsv) == (CONTINUATION, 0)
        self.part += self._inflater.decompress(frame.payload) if self._deflated else frame.payload
        if whole:
            self.whole_frames = len(self.part)
        if whole and frame.fin:
            self._end_message()

    def _end_message(self):
        if self._deflated:
            self.part += self._inflater.decompress(b"\0\0\xff\xff")
        self.messages.append((self.opcode, self.part))
        self.opcode, self.part, self.whole_frames = None, b"", 0

    def closes(self):
        return [payload for opcode, payload in self.controls if opcode == CLOSE]


@dataclass
class TerminatedBreak(Break):
    def __post_init__(self):
        super().__post_init__()
        self.says, self.got = Told(), Told()
        for piece in pieces_of(self.sent):
            self.says.add(piece.frame, piece.whole)
        compressed = self.way.deflates and self.side == "upstream"
        self.least = self.says.whole_frames if compressed else len(self.says.part)

    def expected_answers(self):
        return [(PONG, payload) for opcode, payload in self.says.controls if opcode == PING]

    def receive(self, stream):
        while not self._all_came():
            self.got.add(stream.read_frame())

    def _all_came(self):
        says, got = self.says, self.got
        return len(got.messages) == len(says.messages) and len(got.part) >= self.least and len(got.controls) == len(says.closes())

    def check(self):
        says, got = self.says, self.got
        for frame in frames_of(self.rest):
            assert frame.masked == (self.side == "client"), self.target
            got.add(frame)
        silent = self.ending == "stall"
        assert got.messages == says.messages, self.target
        assert got.opcode in (None, says.opcode) and says.part.startswith(got.part) and len(got.part) >= self.least, self.target
        closes = says.closes() + ([GOING_AWAY] if silent and not self.closed else [])
        assert got.controls == [(CLOSE, payload) for payload in closes], self.target
        told = [(CLOSE, GOING_AWAY)] if silent and not self.answers else []  # whoever has had a Close gets none
        assert [(frame.opcode, frame.payload) for frame in frames_of(self.told)] == told, self.target


@pytest.mark.deadline(60)
@pytest.mark.parametrize("way, ending", ENDINGS, ids=[f"{way.name}-{ending}" for way, ending in ENDINGS])
def test_a_side_that_goes(lab, ca, way, ending):
    with Breaks(lab, ca, way) as breaks:
        breaks.play(every_break(TerminatedBreak, way, ending))
        breaks.check()


@pytest.mark.deadline(60)
@pytest.mark.parametrize("way, ending", ENDINGS, ids=[f"{way.name}-{ending}" for way, ending in ENDINGS])
def test_a_side_that_goes_while_it_is_spoken_to(lab, ca, way, ending):
    with Breaks(lab, ca, way) as breaks:
        breaks.play_unheard(every_break(TerminatedBreak, way, ending, UNHEARD))
        breaks.check()


@pytest.mark.deadline(60)
def test_a_side_that_falls_silent(lab, ca):
    """Both are cut when nobody answers."""
    with Breaks(lab, ca, *WAYS) as breaks:
        breaks.play_together(one for way in WAYS for one in every_break(TerminatedBreak, way, "stall"))
        breaks.check()
        for target, line in breaks.lines.items():
            assert line["tunnel"]["duration_ms"] < 1000 * (IDLE + GRACE + seconds(3)), target
        assert breaks.gateway.metric("sluice_websocket_compression_memory_bytes") == 0


@pytest.mark.parametrize("side", SIDES)
def test_a_ping_when_the_other_side_has_ended(lab, ca, side):
    """There is nobody left to answer for; what follows the Ping goes on passing."""
    one = TerminatedBreak(WAYS[0], side, "fin", "small", 0)
    with Breaks(lab, ca, *WAYS) as breaks:
        breaks.open(one)
        one.sees.half_close()
        assert one.breaks.read_until_closed() == b""
        one.breaks.send_frame(PING, b"anybody?")
        breaks.gateway.wait_metric("sluice_websocket_control_frames_total", 1, opcode="ping")
        one.breaks.send(one.first)
        assert one.sees.read_frame().payload == b"Hello"
        one.breaks.close()
        one.sees.expect_closed()
