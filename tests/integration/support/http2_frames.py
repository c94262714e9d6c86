"""HTTP/2 frames as bytes, right ones and wrong ones, and a client that sends exactly what a test says (RFC 9113, RFC 7541)."""

from dataclasses import dataclass, field

import hpack

from support.raw_client import RawClient
from support.stream import PeerClosed, PeerReset

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20

ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 2, 3, 4, 5, 6, 8, 9

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM,
 CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)

FRAME_SIZE = 16384  # the largest payload, unless a side says more
WINDOW = 65535  # at the beginning


# ---- writing --------------------------------------------------------------------------------------------------------

def u32(number):
    return number.to_bytes(4, "big")


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """`length`: another one than the payload has."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + u32(stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(key.to_bytes(2, "big") + u32(value) for key, value in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, u32(increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, u32(code))


def goaway(last=0, code=NO_ERROR, text=b"", stream=0):
    return frame(GOAWAY, 0, stream, u32(last) + u32(code) + text)


def ping(payload=b"are here", flags=0, stream=0):
    return frame(PING, flags, stream, payload)


def priority(stream, dependency=0, weight=15):
    return frame(PRIORITY, 0, stream, u32(dependency) + bytes([weight]))


def data(stream, payload=b"", end=False, pad=None):
    """`pad`: so many bytes of padding."""
    if pad is None:
        return frame(DATA, END_STREAM if end else 0, stream, payload)
    return frame(DATA, PADDED | (END_STREAM if end else 0), stream, bytes([pad]) + payload + bytes(pad))


def _integer(value, prefix):
    most = (1 << prefix) - 1
    if value < most:
        return bytes([value])
    out, value = bytearray([most]), value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + bytes([value]))


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def block(*fields):
    """Fields as literals that no table remembers, whatever stands in them: so frames mean the same in any order."""
    out = b""
    for name, value in fields:
        name, value = _bytes(name), _bytes(value)
        out += b"\x00" + _integer(len(name), 7) + name + _integer(len(value), 7) + value
    return out


def request_fields(method="GET", path="/", *more, scheme="http", authority="test.example"):
    """None leaves a pseudo field out."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [one for one in pseudo if one[1] is not None] + list(more)


def headers(stream, fields, end=True, done=True, flags=0, before=b"", after=b""):
    """`fields` may be a ready block. `done`: no CONTINUATION follows. `before` and `after` stand around the block in the payload."""
    payload = fields if isinstance(fields, bytes) else block(*fields)
    flags |= (END_STREAM if end else 0) | (END_HEADERS if done else 0)
    return frame(HEADERS, flags, stream, before + payload + after)


def continuation(stream, fields, done=True):
    payload = fields if isinstance(fields, bytes) else block(*fields)
    return frame(CONTINUATION, END_HEADERS if done else 0, stream, payload)


def get(stream=1, path="/", *more, **pseudo):
    return headers(stream, request_fields("GET", path, *more, **pseudo))


def post(stream=1, path="/", *more, **pseudo):
    """The body is still to come."""
    return headers(stream, request_fields("POST", path, *more, **pseudo), end=False)


# ---- reading --------------------------------------------------------------------------------------------------------

@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def end(self):
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)

    @property
    def acknowledges(self):
        return self.kind in (SETTINGS, PING) and bool(self.flags & ACK)

    @property
    def code(self):
        """Of RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == RST_STREAM else self.payload[4:8], "big")

    @property
    def last(self):
        """Of GOAWAY."""
        return int.from_bytes(self.payload[:4], "big") & 0x7FFFFFFF

    @property
    def number(self):
        """Of WINDOW_UPDATE."""
        return int.from_bytes(self.payload, "big")

    @property
    def settings(self):
        pairs = [self.payload[at:at + 6] for at in range(0, len(self.payload), 6)]
        return {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}


@dataclass
class Answer:
    """What has come on one stream."""

    status: int = None
    headers: list = field(default_factory=list)
    body: bytes = b""
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)  # (status, fields)
    ended: bool = False
    reset: int = None  # the code

    def header(self, name):
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None


def read_frame(stream, timeout=None):
    head = stream.read_exactly(9, timeout)
    size = int.from_bytes(head[:3], "big")
    assert size <= FRAME_SIZE, f"a frame of {size} bytes"
    assert head[5] < 128, "the reserved bit is set"
    return Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), stream.read_exactly(size, timeout))


class FrameClient(RawClient):
    """Reads frames and sorts them by stream. Opens no window and acknowledges nothing unless told."""

    def __init__(self, port, tls=None, begin=PREFACE + settings(), **options):
        super().__init__(port, tls=tls, server_name="test.example" if tls else None, **options)
        self.frames, self.answers = [], {}
        self._fields = hpack.Decoder()
        if begin:
            self.send(begin)

    def send_frames(self, *frames):
        self.send(b"".join(frames))

    def next_frame(self, timeout=None):
        one = read_frame(self, timeout)
        self.frames.append(one)
        answer = self.answers.setdefault(one.stream, Answer())
        if one.kind == HEADERS:
            self._sort_fields(answer, one)
        elif one.kind == DATA:
            assert answer.status is not None and not answer.ended, f"DATA outside of a message: {one}"
            answer.body += one.payload
        elif one.kind == RST_STREAM:
            answer.reset = one.code
        answer.ended |= one.end
        return one

    def _sort_fields(self, answer, one):
        assert one.flags & END_HEADERS, "heads of several frames do not occur in these tests"
        fields = self._fields.decode(one.payload)
        if answer.status is not None:
            assert one.end, "trailers end a message"
            answer.trailers = fields
            return
        (name, status), *fields = fields
        assert name == ":status", name
        if status.startswith("1"):
            answer.interim.append((int(status), fields))
        else:
            answer.status, answer.headers = int(status), fields

    def wait_frame(self, kind, stream=None, timeout=None):
        """The next one of that kind; what comes before it is sorted."""
        while True:
            one = self.next_frame(timeout)
            if one.kind == kind and stream in (None, one.stream) and not one.acknowledges:
                return one

    def answer(self, stream=1, timeout=None):
        """What came on that stream until it ended or was reset."""
        answer = self.answers.setdefault(stream, Answer())
        while not answer.ended and answer.reset is None:
            self.next_frame(timeout)
        return answer

    def still_answers(self, payload=b"in order"):
        """All frames that were sent so far have been read: a PING behind them is acknowledged."""
        self.send(ping(payload))
        while True:
            one = self.next_frame()
            if one.kind == PING and one.acknowledges and one.payload == payload:
                return

    def read_to_end(self, timeout=None):
        """Everything up to the end of the connection; gives its last GOAWAY, or None."""
        try:
            while True:
                self.next_frame(timeout)
        except PeerReset:
            pass
        except PeerClosed as closed:
            assert "after 0 of 9" in str(closed), "the connection ended within a frame"
        return next((one for one in reversed(self.frames) if one.kind == GOAWAY), None)
