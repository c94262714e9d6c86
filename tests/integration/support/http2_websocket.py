"""A WebSocket on a stream of HTTP/2 (RFC 8441), with what RawClient has, so that tests need not know which of the two they use."""

import select
import time

import h2.exceptions

from support import websocket
from support.stream import PeerClosed, PeerReset, Stream

NO_ERROR, CANCEL = 0, 8
FRAME_SIZE = 16384


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


class Http2WebSocket(websocket.ClientFrames, Stream):
    """`ended` tells of the stream: END_STREAM is a FIN, and RST_STREAM a RST (RFC 8441 5)."""

    def __init__(self, client, number):
        super().__init__(None, client.stream.timeout)
        self.client, self.number = client, number
        self.answer = client.answers[number]

    def stall(self):
        """Its window stays as it is until somebody reads."""
        self.client.stalled.add(self.number)

    def head(self):
        return self.client.head(self.number)

    def _fill(self, deadline, what):
        if self.number in self.client.stalled:
            self.client.open_windows(self.number)
        while not self.answer.body and self.ended is None:
            if self.answer.reset not in (None, NO_ERROR):
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
        while not self._said_something() and self._comes_something(deadline - time.monotonic()):
            self.client.receive()
        assert not self._said_something(), f"not silent: {self._buffer[:400]!r} {self.answer}"

    def _comes_something(self, within):
        """On the connection."""
        sock = self.client.stream.socket
        pending = getattr(sock, "pending", lambda: 0)()
        return pending or within > 0 and select.select([sock], [], [], within)[0]

    def _said_something(self):
        return self._buffer or self.answer.body or self.answer.ended or self.answer.reset is not None

    def send(self, data):
        """As the windows let it. What goes to a side that wants no more is lost, as on a socket."""
        view = memoryview(data)
        while view and self.answer.reset is None:
            if room := min(self.client.window(self.number), FRAME_SIZE, len(view)):
                self.client.send_now(self.number, view[:room])
                view = view[room:]
            else:
                self.client.receive()
        if self.answer.reset not in (None, NO_ERROR):
            raise PeerReset(f"cannot send: reset ({self.answer.reset})")

    def send_until_blocked(self, block, limit, quiet=0.5):
        sent, view = 0, memoryview(block)
        while sent < limit:
            at = sent % len(block)
            if room := min(self.client.window(self.number), FRAME_SIZE, len(block) - at):
                sent += room
                self.client.send_now(self.number, view[at:at + room])
                continue
            try:
                self.client.receive(quiet)
            except AssertionError:
                break  # nothing came in time
        return sent

    def half_close(self):
        self.client.send_now(self.number, b"", end=True)

    def reset(self, code=CANCEL):
        self.client.reset(self.number, code)

    def close(self):
        try:
            self.reset()
        except (h2.exceptions.ProtocolError, PeerClosed):
            pass  # it is over
