"""A WebSocket on a stream of HTTP/2 (RFC 8441), with what RawClient has, so that tests need not know which of the two they use."""

import time

import h2.exceptions

from support import websocket
from support.stream import PeerClosed, PeerReset, Stream

CANCEL = 8


def connect_fields(replace=None, extra=(), protocol="websocket"):
    """Of a CONNECT for a WebSocket. `replace` maps a name to another value, or to None (left out)."""
    fields = {":protocol": protocol, "sec-websocket-version": "13", **(replace or {})}
    lines = [(name, value) for name, value in fields.items() if value is not None]
    return lines + [(name.lower(), value) for name, value in extra]


def begin_websocket(client, target="/ws", extra=(), **options):
    """Asks for it; what then is on its stream."""
    return Http2WebSocket(client, client.begin("CONNECT", target, connect_fields(extra=extra, **options), end=False))


def open_websocket(client, target="/ws", extra=()):
    """Asks for it, and checks the answer."""
    opened = begin_websocket(client, target, extra)
    answer = opened.head()
    assert (answer.status, answer.reset) == (200, None), answer
    for name in ("sec-websocket-accept", "connection", "upgrade", "content-length"):
        assert answer.header(name) is None, answer.headers
    return opened


class Http2WebSocket(Stream):
    """`ended` tells of the stream: END_STREAM is a FIN, and RST_STREAM a RST (RFC 8441 5)."""

    def __init__(self, client, number):
        super().__init__(None, client.stream.timeout)
        self.client, self.number = client, number
        self.answer = client.answers[number]

    def head(self):
        return self.client.head(self.number)

    def _fill(self, deadline, what):
        while not self.answer.body and self.ended is None:
            if self.answer.reset not in (None, 0):
                self.ended = "reset"
            elif self.answer.ended:
                self.ended = "fin"
            else:
                self._receive(deadline)
        if self.answer.body:
            data, self.answer.body = bytes(self.answer.body), type(self.answer.body)()
            self.received += data
            self._buffer += data
            return True
        if self.ended == "reset":
            raise PeerReset(f"reset ({self.answer.reset}) while waiting for {what}; buffer {bytes(self._buffer[-400:])!r}")
        return False

    def _receive(self, deadline):
        try:
            self.client.receive(max(0.001, deadline - time.monotonic()))
        except PeerClosed:
            self.ended = "reset"

    def expect_silence(self, duration=0.2):
        """Nothing comes on this stream, whatever comes on others."""
        deadline = time.monotonic() + duration
        while (left := deadline - time.monotonic()) > 0 and not self._said_something():
            try:
                self.client.receive(left)
            except AssertionError:
                continue  # in time
        assert not self._said_something(), f"not silent: {self._buffer[:400]!r} {self.answer}"

    def _said_something(self):
        return self._buffer or self.answer.body or self.answer.ended or self.answer.reset is not None

    def send(self, data):
        try:
            self.client.send_body(self.number, data, end=False)
        except h2.exceptions.StreamClosedError as error:
            raise PeerReset(f"cannot send: {error}") from None
        if self.answer.reset is not None:
            raise PeerReset(f"cannot send: reset ({self.answer.reset})")

    def half_close(self):
        self.client.send_now(self.number, b"", end=True)

    def reset(self, code=CANCEL):
        self.client.reset(self.number, code)

    def close(self):
        try:
            self.reset()
        except (h2.exceptions.ProtocolError, PeerClosed):
            pass  # it is over

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0):
        self.send(websocket.frame_bytes(opcode, payload, fin, mask=True, rsv=rsv))

    def read_frame(self, timeout=None):
        frame = websocket.read_frame(self, timeout)
        assert not frame.masked, "a frame to a client must not be masked"
        return frame
