"""Plays the cases of rfc6455_cases.py and rfc7692_cases.py on one connection each, and judges what came."""

import zlib
from dataclasses import dataclass, field

from rfc6455_cases import close, frame
from support import http2_websocket
from support.http2_client import Http2Client
from support.http_message import read_response
from support.raw_client import RawClient
from support.stream import PeerClosed
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, apply_mask, frame_bytes, read_frame, upgrade_bytes

ANSWER = "X-Extensions-Answer"  # tells a scripted backend what it is to agree to
MESSAGES = (TEXT, BINARY)


def echo_frames(peer):
    """A scripted backend that judges nothing: each frame comes back as it is, until a Close."""
    request = peer.read_request_head()
    peer.unread(request.head)
    answer = request.header(ANSWER)
    peer.accept_websocket([("Sec-WebSocket-Extensions", answer)] if answer else [])
    peer.head_size = len(request.head)
    while True:
        one = peer.read_frame(timeout=60)
        if one.opcode == PING:
            peer.send_frame(PONG, one.payload)
        elif one.opcode != PONG:
            peer.send_frame(one.opcode, one.payload, one.fin, one.rsv)
        if one.opcode == CLOSE:
            return


class Bytes:
    """Bytes as a stream, for read_frame()."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def read_exactly(self, size, _timeout=None):
        if self.at + size > len(self.data):
            raise PeerClosed(f"{self.at + size - len(self.data)} bytes are missing")
        self.at += size
        return self.data[self.at - size:self.at]

    def blocks(self, size):
        yield self.read_exactly(size)

    def left(self):
        return self.at < len(self.data)


def frames_of(data):
    stream = Bytes(bytes(data))
    while stream.left():
        yield read_frame(stream)


def echo_of(data):
    """What echo_frames() makes of a client's bytes."""
    out = bytearray()
    for one in frames_of(data):
        if one.opcode == PING:
            out += frame_bytes(PONG, one.payload)
        elif one.opcode != PONG:
            out += frame_bytes(one.opcode, one.payload, one.fin, rsv=one.rsv)
    return bytes(out)


def as_server(data):
    """The same frames as a server sends them; one that was unmasked, which a client's must not be, is masked."""
    out, at = bytearray(), 0
    while at < len(data):
        first, second = data[at:at + 2].ljust(2, b"\0")
        long = {126: 2, 127: 8}.get(second & 0x7F, 0)
        length = int.from_bytes(data[at + 2:at + 2 + long], "big") if long else second & 0x7F
        out += bytes([first, second ^ 0x80]) + data[at + 2:at + 2 + long]
        at += 2 + long
        key, at = (data[at:at + 4], at + 4) if second & 0x80 else (b"", at)
        payload = data[at:at + length]
        out += apply_mask(payload, key) if key else b"mask" + apply_mask(payload, b"mask")
        at += length
    return bytes(out)


class Inflater:
    """Of what a server compresses under the extension that it agreed to."""

    def __init__(self, agreed):
        self._forgets = "server_no_context_takeover" in (agreed or "")
        self._stream = None

    def __call__(self, payload):
        if self._stream is None or self._forgets:
            self._stream = zlib.decompressobj(-15)  # any smaller window is inside
        return self._stream.decompress(payload + b"\x00\x00\xff\xff")


@dataclass
class Seen:
    """What a client has got from an echo that looks at what it gets."""

    messages: list = field(default_factory=list)  # (opcode, payload), inflated
    pongs: list = field(default_factory=list)
    close: int = None   # code of the Close; 0: it had none
    ended: str = None   # "fin", "reset", or None: nothing ended it
    agreed: str = None  # Sec-WebSocket-Extensions of the answer
    wrong: str = ""     # what no client could take


def expected_of(case):
    """(messages, pongs, code of the Close or None) that an echo makes of the case's good frames."""
    messages, pongs, code, part = [], [], None, []
    for one in frames_of(case.good):
        if one.opcode == CLOSE:
            code = one.close_code or 0
        elif one.opcode == PING:
            pongs.append(one.payload)
        elif one.opcode != PONG:
            part.append(one)
            if one.fin:
                messages.append((part[0].opcode, b"".join(piece.payload for piece in part)))
                part = []
    if case.comes is not None:
        messages = [one for one in case.comes if one[0] in MESSAGES]
    return messages, pongs, code


class Connections:
    """A connection for each case."""

    def open(self, port, extra):
        client = RawClient(port)
        client.send(upgrade_bytes("/", extra=extra))
        response = read_response(client)
        assert response.status == 101, f"{response.head!r} {response.body!r}"
        return client, response.header("Sec-WebSocket-Extensions")


class Streams:
    """All cases on one connection of HTTP/2 for each port, one after the other: none may be in the way of the next."""

    def __init__(self):
        self._connections = {}

    def open(self, port, extra):
        if port not in self._connections:
            self._connections[port] = Http2Client.to(port)
        client = http2_websocket.open_websocket(self._connections[port], "/", extra)
        return client, client.answer.header("sec-websocket-extensions")


WAYS = {"http/1.1": Connections(), "h2": Streams()}


def opened(port, case, over="http/1.1"):
    return WAYS[over].open(port, [("Sec-WebSocket-Extensions", case.offer), (ANSWER, case.answer)] if case.offer else [])


def converse(port, case, patience, over="http/1.1"):
    """The case as one segment, and what comes of it."""
    client, agreed = opened(port, case, over)
    client.timeout = patience
    try:
        client.send(case.good + case.fault)
        return listen(client, case, Seen(agreed=agreed))
    finally:
        client.close()


def listen(client, case, seen):
    messages, pongs, code = expected_of(case)
    asks = code is None and not case.fault
    inflate, part = Inflater(seen.agreed), []
    try:
        while seen.close is None:
            if len(seen.messages) > len(messages) or len(seen.pongs) > len(pongs):
                raise AssertionError("more than an echo: the fault was taken for a frame")
            if asks and (len(seen.messages), len(seen.pongs)) == (len(messages), len(pongs)):
                client.send(close(1000))
                asks = False
            one = client.read_frame()
            if one.opcode == CLOSE:
                seen.close = one.close_code or 0
            elif one.opcode == PONG:
                seen.pongs.append(one.payload)
            elif one.opcode in (TEXT, BINARY, CONTINUATION):
                part.append(one)
                if one.fin:
                    payload = b"".join(piece.payload for piece in part)
                    seen.messages.append((part[0].opcode, inflate(payload) if part[0].rsv else payload))
                    part = []
        if case.fault or seen.close == 0 or code is None:
            try_to_send(client, frame(CLOSE, b"" if not seen.close else seen.close.to_bytes(2, "big")))
        client.read_until_closed()
    except PeerClosed:
        pass
    except AssertionError as problem:
        seen.wrong = str(problem)
    seen.ended = client.ended
    return seen


def try_to_send(client, data):
    try:
        client.send(data)
    except PeerClosed:
        pass


# Verdicts, the better the higher. A message that came before the fault may be lost with the connection (RFC 6455 7.1.7), which is
# not as good as an answer to it.
OK, NOT_STRICT, FAILED = 2, 1, 0


def verdict(case, seen):
    messages, pongs, code = expected_of(case)
    if seen.wrong or seen.ended is None:
        return FAILED
    if case.rule:
        if seen.close not in (None, case.close):
            return FAILED
        lost = messages[len(seen.messages):] or pongs[len(seen.pongs):]
        right = seen.messages == messages[:len(seen.messages)] and seen.pongs == pongs[:len(seen.pongs)]
        return FAILED if not right else NOT_STRICT if lost else OK
    wanted = 1000 if code is None else code
    if (seen.messages, seen.pongs) != (messages, pongs):
        return FAILED
    return OK if seen.close == wanted else NOT_STRICT if seen.close else FAILED


def too_bad(case, mode, direct_port, gateway_port, over="http/1.1", tries=3):
    """What is wrong with the gateway's verdict, or None: forwarding, it is no worse than the backend's own; terminating, every fault is
    the gateway's to see, and only answers may be missing that the backend by itself does not give when it is told to go. Real backends
    schedule for themselves what they answer, so only what is wrong each time counts. Directly some faults are ignored, so that nothing
    comes of them."""
    for _ in range(tries):
        through = converse(gateway_port, case, 5, over)
        direct = "not asked"
        if mode != "terminate" or verdict(case, through) != OK:
            direct = converse(direct_port, case, 1)
        bar = OK if direct == "not asked" else verdict(case, direct)
        if mode == "terminate" and case.rule:
            bar = max(bar, NOT_STRICT)
        if mode == "forward" and through.agreed != direct.agreed:
            continue
        if verdict(case, through) >= bar:
            return None
    return f"{case}: directly {direct}, through the gateway {through}"
