"""What is under way when a side of a tunnel breaks off, and the places to cut it at."""

import random
import zlib
from dataclasses import dataclass

from rfc6455_cases import close, frame, more, text
from support.conformance import as_server
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, Frame, apply_mask

MESSAGES = {
    "small": (TEXT, ["\u00e9".encode() * 50]),  # so that it is cut within a character, too
    "length16": (BINARY, [random.Random(16).randbytes(300)]),
    "length64": (BINARY, [random.Random(64).randbytes(70_000)]),
    "fragments": (TEXT, [b"first", b"second"]),
}
CONTROLS = {
    "interrupted": text(b"first", fin=False) + frame(PING, b"are you there") + more(b"second"),
    "close": close(1000, b"bye"),
    "answer": close(1000),  # to the other side's Close
}
STREAMS = (*MESSAGES, *CONTROLS)
UNHEARD = STREAMS[:-1]  # without an answer: that takes somebody who has heard
SIDES = ("client", "upstream")
RSV1 = 4


def deflated(parts):
    """As the frames of one message (RFC 7692 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    *first, last = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*first, last[:-4]]


def stream_of(name, side, deflates):
    """The bytes as that side sends them."""
    if name in CONTROLS:
        data = CONTROLS[name]
    else:
        opcode, parts = MESSAGES[name]
        last = len(parts) - 1
        data = b"".join(frame(CONTINUATION if at else opcode, part, at == last, RSV1 if deflates and not at else 0)
                        for at, part in enumerate(deflated(parts) if deflates else parts))
    return as_server(data) if side == "upstream" else data


@dataclass
class Piece:
    """What bytes that may end anywhere have of one frame, whose header is there."""

    at: int          # where it begins
    header: int      # size of the header
    size: int        # of the whole payload
    frame: Frame     # with as much of the payload as there is, unmasked

    @property
    def whole(self):
        return len(self.frame.payload) == self.size

    @property
    def end(self):
        return self.at + self.header + self.size


def pieces_of(data):
    at = 0
    while at < len(data):
        first, second = data[at:at + 2].ljust(2, b"\xff")
        long = {126: 2, 127: 8}.get(second & 0x7F, 0)
        header = 2 + long + (4 if second & 0x80 else 0)
        if at + header > len(data):
            return
        size = int.from_bytes(data[at + 2:at + 2 + long], "big") if long else second & 0x7F
        payload = data[at + header:at + header + size]
        if second & 0x80:
            payload = apply_mask(payload, data[at + header - 4:at + header])
        piece = Piece(at, header, size, Frame(bool(first & 0x80), (first >> 4) & 7, first & 15, bool(second & 0x80), payload))
        yield piece
        at = piece.end


def cuts(data):
    """Each byte of each header, of a Close all, and of payloads the first, the middle and the last."""
    found = {len(data)}
    for piece in pieces_of(data):
        payload = piece.at + piece.header
        found.update(range(piece.at, payload + 1))
        is_close = piece.frame.opcode == CLOSE
        found.update(range(payload, piece.end) if is_close else (payload + piece.size // 2, piece.end - 1))
    return sorted(found)
