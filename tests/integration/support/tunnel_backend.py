"""A backend of HTTP/2 that takes WebSockets (RFC 8441), each of which runs a script of RawBackend as if it had a connection to itself: so
tests of tunnels need not know what carries them."""

import select
import ssl
import threading
import time

from support import websocket
from support.http2_backend import FrameServer
from support.http2_frames import CANCEL, ENABLE_CONNECT_PROTOCOL, FRAME_SIZE, NO_ERROR, data, headers, reset, window_update
from support.http_message import Request
from support.raw_backend import BackendConnection, RawBackend, echo_websocket
from support.stream import PeerClosed, PeerReset, Stream
from support.waiting import seconds, wait_until


class SharedTls:
    """A socket of TLS that one thread reads while another one writes: OpenSSL lets in one at a time, and Python does not see to it."""

    def __init__(self, tls):
        self._tls, self._inside, self._of_thread = tls, threading.Lock(), threading.local()
        tls.setblocking(False)

    def __getattr__(self, name):
        return getattr(self._tls, name)

    def settimeout(self, timeout):
        self._of_thread.timeout = timeout

    def recv(self, size):
        deadline = time.monotonic() + self._of_thread.timeout
        while True:
            with self._inside:
                try:
                    return self._tls.recv(size)
                except ssl.SSLWantReadError:
                    pass
            if not select.select([self._tls], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("nothing came")

    def sendall(self, payload):
        deadline = time.monotonic() + self._of_thread.timeout
        while payload:
            with self._inside:
                try:
                    payload = payload[self._tls.send(payload):]
                    continue
                except ssl.SSLWantWriteError:
                    pass
            if not select.select([], [self._tls], [], max(0, deadline - time.monotonic()))[1]:
                raise TimeoutError("nothing is taken")


class TunnelStream(BackendConnection):
    """The server's end of one stream. Its window opens by what the script reads; END_STREAM is a FIN, and RST_STREAM a RST."""

    def __init__(self, server, asked, index, record, all_requests):
        super().__init__(None, index, record, all_requests)
        self.server, self.asked, self.stream = server, asked, asked.stream
        self.reset_code = None  # what the peer has reset it with
        self.said_end = False
        self._came = bytearray()

    # the other side, told under server.changed

    def came(self, payload, ended):
        self._came += payload
        self._ends = self._ends or ended  # behind its END_STREAM, a side may take leave by RST_STREAM

    _ends = None  # "fin" or "reset", behind what came

    # as a BackendConnection

    def read_request_head(self, timeout=None):
        fields = self.asked.fields
        return self.note(Request("2", [one for one in fields if one[0][0] != ":"], b"", method=self.asked.method, target=self.asked.path))

    def accept_websocket(self, headers=(), after=b""):
        request = self.read_request_head()
        self.answer(200, headers)
        if after:
            self.send(after)
        return request

    def answer(self, status, fields=(), end=False):
        lower = [(name.lower(), value) for name, value in fields]
        self.server.send(headers(self.stream, [(":status", str(status)), *lower], end=end))

    def respond(self, status=200, body=b"ok", headers=(), reason="OK"):
        self.answer(status, headers)
        self.send(body)
        self.half_close()

    def _fill(self, deadline, what):
        with self.server.changed:
            while not self._came and self.ended is None:
                self.ended = self._ends
                if self.ended is None:
                    assert self.server.changed.wait(max(0, deadline - time.monotonic())), f"no {what} in time on stream {self.stream}"
            got, self._came = bytes(self._came), bytearray()
        if got:
            if self.record:
                self.received += got
            self._buffer += got
            self.server.send(window_update(self.stream, len(got)))
            return True
        if self.ended == "reset":
            raise PeerReset(f"reset ({self.reset_code}) while waiting for {what}")
        return False

    def expect_silence(self, duration=0.2):
        assert not self._buffer and self.ended is None
        with self.server.changed:
            self.server.changed.wait_for(lambda: self._came or self._ends, duration)
            assert not self._came and self._ends is None, f"not silent: {bytes(self._came[:400])!r} {self._ends}"

    def send(self, payload):
        view = memoryview(bytes(payload))
        while view:
            size = self._take_window(len(view), seconds(self.timeout))
            assert size, f"no window within {seconds(self.timeout)}s"
            self.server.send(data(self.stream, bytes(view[:size])))
            view = view[size:]

    def send_until_blocked(self, block, limit, quiet=0.5):
        sent = 0
        while sent < limit:
            at = sent % len(block)
            size = self._take_window(min(len(block) - at, limit - sent), quiet)
            if not size:
                break
            self.server.send(data(self.stream, block[at:at + size]))
            sent += size
        return sent

    def _take_window(self, most, timeout):
        """So much may be sent now; 0: nothing within the time."""
        windows = self.server.windows

        def room():
            return min(most, FRAME_SIZE, windows[0], windows[self.stream])

        with self.server.changed:
            self.server.changed.wait_for(lambda: room() > 0 or self.reset_code is not None, timeout)
            if self.reset_code is not None:
                raise PeerReset(f"cannot send: reset ({self.reset_code})")
            size = max(0, room())
            windows[0] -= size
            windows[self.stream] -= size
            return size

    def half_close(self):
        self.said_end = True
        self.server.send(data(self.stream, b"", True))

    def reset(self, code=CANCEL):
        self.said_end = True
        self.server.send(reset(self.stream, code))
        with self.server.changed:
            self._ends = self._ends or "reset"

    def close(self):
        try:
            if not self.said_end and self.reset_code is None:
                self.half_close()
            if self._ends is None:
                self.server.send(reset(self.stream, NO_ERROR))
        except (PeerClosed, OSError):
            pass  # the connection is gone

    def abort(self):
        self.server.connection.abort()


class TunnelServer(FrameServer):
    """One connection: takes what comes for its streams, each of which has a thread. 200 to plain requests."""

    def __init__(self, connection, tunnels_of, *pairs):
        self.changed = threading.Condition()
        self.tunnels_of, self.tunnels = tunnels_of, {}
        if isinstance(connection.socket, ssl.SSLSocket):
            connection.socket = SharedTls(connection.socket)
        super().__init__(connection, (ENABLE_CONNECT_PROTOCOL, 1), *pairs)

    def run(self):
        try:
            while True:
                one = self.next_frame(timeout=120)
                with self.changed:
                    self._sort(one)
                    self.changed.notify_all()
        finally:
            with self.changed:
                for tunnel in self.tunnels.values():
                    if tunnel._ends is None:
                        tunnel.came(b"", "reset")
                        tunnel.reset_code = -1
                self.changed.notify_all()

    def _sort(self, one):
        asked = self.requests.get(one.stream)
        if asked is None:
            return
        if asked.method != "CONNECT":
            if one.end:
                self.respond(asked, 200, self.tunnels_of.page or asked.path.encode())
            return
        if one.stream not in self.tunnels:
            assert asked.header(":protocol") == "websocket", asked
            self.stalled.add(one.stream)  # its window is its script's business
            self.tunnels[one.stream] = self.tunnels_of.add(self, asked)
            self.tunnels_of.start(self.tunnels[one.stream])
        tunnel = self.tunnels[one.stream]
        ended = "reset" if asked.reset is not None else "fin" if asked.ended else None
        tunnel.reset_code = asked.reset
        tunnel.came(asked.body, ended)
        asked.body = b""


class Tunnels:
    """Those of a backend, on all its connections: each runs the script."""

    def __init__(self, script=echo_websocket, record=True, page=None):
        """`page`: what plain requests get; without it their path."""
        self.script, self.page, self._record = script, page, record
        self.connections, self.requests, self.errors = [], [], []
        self.closing = False
        self._lock = threading.Lock()

    def add(self, server, asked):
        with self._lock:
            self.connections.append(TunnelStream(server, asked, len(self.connections), self._record, self.requests))
            return self.connections[-1]

    def start(self, tunnel):
        threading.Thread(target=self._run, args=(tunnel,), daemon=True).start()

    def _run(self, tunnel):
        try:
            self.script(tunnel)
        except (PeerClosed, OSError):
            pass
        except BaseException as error:  # kept for check(): a thread has nobody to raise to
            if not self.closing:
                self.errors.append(error)
        finally:
            tunnel.close()
            tunnel.finished.set()


class TunnelBackend(Tunnels):
    """Stands where a RawBackend stands: `connections` are the tunnels, `links` the connections that carry them."""

    def __init__(self, script=echo_websocket, *pairs, tls=None, record=True, **options):
        """`pairs`: more of its SETTINGS."""
        super().__init__(script, record)
        self._pairs = pairs
        self.servers = []
        self.raw = RawBackend(self._serve, tls=tls, record=False, **options)
        self.url, self.port = self.raw.url, self.raw.port

    @property
    def links(self):
        return self.raw.connections

    def connection(self, index=0, timeout=5.0):
        wait_until(lambda: len(self.connections) > index, f"tunnel {index} at the backend", timeout)
        return self.connections[index]

    def wait_for_request(self, count=1, timeout=5.0):
        wait_until(lambda: len(self.requests) >= count, f"request {count} at the backend", timeout)
        return self.requests[count - 1]

    def _serve(self, connection):
        server = TunnelServer(connection, self, *self._pairs)
        self.servers.append(server)
        server.run()

    def close(self):
        self.closing = True
        self.raw.close()
        for tunnel in self.connections:
            tunnel.finished.wait(seconds(5))

    def check(self):
        self.raw.check()
        if self.errors:
            raise AssertionError(f"a backend script failed: {self.errors[0]!r}") from self.errors[0]
