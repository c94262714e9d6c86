"""A backend of HTTP/2 that does exactly what a test says: the server's end of http2_frames.py, for scripts of RawBackend."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field

import hpack

from support.http2_frames import (ACK, CONTINUATION, DATA, END_HEADERS, FRAME_SIZE, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW,
                                  WINDOW_UPDATE, data, frame, headers, read_frame, settings, window_update)


@dataclass
class Asked:
    """What has come on one stream."""

    stream: int
    fields: list = field(default_factory=list)  # pseudo fields first
    body: bytes = b""
    trailers: list = field(default_factory=list)
    ended: bool = False
    reset: int = None  # the code

    def __getattr__(self, name):
        """method, path, scheme, authority"""
        if name in ("method", "path", "scheme", "authority"):
            return self.header(f":{name}")
        raise AttributeError(name)

    def header(self, name):
        values = [value for key, value in self.fields if key == name]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def names(self):
        return [name for name, _ in self.fields]


class FrameServer:
    """On a BackendConnection. Acknowledges SETTINGS and PING, and opens windows for what comes, except those of streams in `stalled`. Keeps
    to the windows of its peer."""

    def __init__(self, connection, *pairs, answer_pings=True):
        self.connection, self.answer_pings = connection, answer_pings
        self.requests, self.complete, self.frames, self.stalled = {}, [], [], set()
        self.windows = defaultdict(lambda: WINDOW)
        self._fields = hpack.Decoder()
        self._lock = threading.Lock()
        assert connection.read_exactly(len(PREFACE), 20) == PREFACE
        self.send(settings(*pairs))

    def send(self, *frames):
        with self._lock:
            self.connection.send(b"".join(frames))

    def next_frame(self, timeout=20):
        one = read_frame(self.connection, timeout)
        self.frames.append(one)
        if one.kind == SETTINGS and not one.acknowledges:
            self.send(frame(SETTINGS, ACK))
        elif one.kind == PING and not one.acknowledges and self.answer_pings:
            self.send(frame(PING, ACK, 0, one.payload))
        elif one.kind == HEADERS:
            assert one.flags & END_HEADERS, "heads of several frames do not occur in these tests"
            asked = self.requests.get(one.stream)
            fields = [(str(name), str(value)) for name, value in self._fields.decode(one.payload)]
            if asked is None:
                self.requests[one.stream] = Asked(one.stream, fields)
            else:
                asked.trailers = fields
        elif one.kind == DATA:
            self.requests[one.stream].body += one.payload
            if one.payload:
                self.send(window_update(0, len(one.payload)))
            if one.payload and one.stream not in self.stalled:
                self.send(window_update(one.stream, len(one.payload)))
        elif one.kind == WINDOW_UPDATE:
            self.windows[one.stream] += one.number
        elif one.kind == RST_STREAM:
            self.requests[one.stream].reset = one.code
        assert one.kind != CONTINUATION
        if one.end:
            self.requests[one.stream].ended = True
            self.complete.append(self.requests[one.stream])
        return one

    def wait_frame(self, kind, stream=None, timeout=20):
        while True:
            one = self.next_frame(timeout)
            if one.kind == kind and stream in (None, one.stream) and not one.acknowledges:
                return one

    def head(self, timeout=20):
        """The next request, when its head has come."""
        return self.requests[self.wait_frame(HEADERS, timeout=timeout).stream]

    def request(self, timeout=20):
        """The next one that is complete."""
        while not self.complete:
            self.next_frame(timeout)
        return self.connection.note(self.complete.pop(0))

    def respond(self, asked, status=200, body=b"ok", *fields, trailers=(), end=True):
        stream = asked if isinstance(asked, int) else asked.stream
        whole = end and not body and not trailers
        self.send(headers(stream, [(":status", str(status)), *fields], end=whole))
        if whole:
            return
        self.send_body(stream, body, end and not trailers)
        if trailers:
            self.send(headers(stream, list(trailers)))

    def send_body(self, stream, body, end=True):
        """As the windows let it; stops when the stream is reset."""
        while self.requests[stream].reset is None:
            size = min(len(body), FRAME_SIZE, self.windows[0], self.windows[stream])
            if body and size <= 0:
                self.next_frame()
                continue
            self.send(data(stream, body[:size], end and size == len(body)))
            self.windows[0] -= size
            self.windows[stream] -= size
            body = body[size:]
            if not body:
                return


def speaking(script, *pairs, **options):
    """A script for a RawBackend: `script` gets the FrameServer. `pairs` are its SETTINGS."""
    def run(connection):
        script(FrameServer(connection, *pairs, **options))
    return run


def answer_all(server):
    """200 to every request, with its path as the body."""
    while True:
        asked = server.request()
        server.respond(asked, 200, asked.path.encode())


def tls_context(ca, *protocols, name="localhost"):
    """A server's, that agrees on these protocols."""
    context = ca.issue(name).server_context()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
