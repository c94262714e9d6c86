"""A scripted backend: one thread per connection runs the test's function on it and records every byte."""

import socket
import threading

from support import websocket
from support.http_message import read_request, read_request_head, response_bytes
from support.stream import PeerClosed, Stream
from support.waiting import seconds, wait_until

TCP_NOTSENT_LOWAT = 25  # Python's socket has no name for it


class BackendConnection(Stream):
    def __init__(self, sock, index, record, all_requests):
        super().__init__(sock, timeout=20.0, record=record)
        self.index = index  # 0 for the backend's first connection
        self.requests = []
        self._all_requests = all_requests
        self.finished = threading.Event()  # the script is over and the socket closed

    def read_request(self, timeout=None):
        return self.note(read_request(self, timeout))

    def read_request_head(self, timeout=None):
        return self.note(read_request_head(self, timeout))

    def note(self, request):
        self.requests.append(request)
        self._all_requests.append(request)
        return request

    def respond(self, status=200, body=b"ok", headers=(), reason="OK"):
        self.send(response_bytes(status, body, headers, reason))

    def accept_websocket(self, headers=(), after=b""):
        """Reads a handshake and answers it rightly; `after` goes out in the same segment."""
        request = self.read_request_head()
        key = request.header("Sec-WebSocket-Key")
        fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                  ("Sec-WebSocket-Accept", websocket.accept_for(key))]
        self.send(response_bytes(101, b"", fields + list(headers), "Switching Protocols") + after)
        return request

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0):
        self.send(websocket.frame_bytes(opcode, payload, fin, mask=False, rsv=rsv))

    def read_frame(self, timeout=None):
        frame = websocket.read_frame(self, timeout)
        assert frame.masked, "a frame to a server must be masked"
        return frame

    def hang(self):
        """Says nothing, goes on recording, until the other side leaves or the backend is closed."""
        self.read_until_closed(timeout=120)

    def wait(self, event, timeout=20.0):
        assert event.wait(seconds(timeout)), "the test never gave the sign"


def answer_ok(connection):
    """The default script: 200 to every request, until the connection ends."""
    while True:
        connection.read_request()
        connection.respond()


def echo_websocket(connection):
    """Echoes messages frame by frame; answers a Close with the same code and ends."""
    connection.accept_websocket()
    while True:
        frame = connection.read_frame(timeout=60)
        if frame.opcode == websocket.PING:
            connection.send_frame(websocket.PONG, frame.payload)
        elif frame.opcode == websocket.CLOSE:
            connection.send_frame(websocket.CLOSE, frame.payload)
            return
        elif frame.opcode != websocket.PONG:
            connection.send_frame(frame.opcode, frame.payload, frame.fin, frame.rsv)


def keep_frames(frames):
    """A script that keeps what comes in `frames`, and answers Pings and a Close."""
    def script(connection):
        connection.accept_websocket()
        while not frames or frames[-1].opcode != websocket.CLOSE:
            frames.append(connection.read_frame(timeout=20))
            if frames[-1].opcode == websocket.PING:
                connection.send_frame(websocket.PONG, frames[-1].payload)
        connection.send_frame(websocket.CLOSE, frames[-1].payload)
    return script


def named(name, headers=()):
    """A script that answers with that name, and echoes over WebSocket."""
    def script(connection):
        while True:
            request = connection.read_request_head()
            if request.header("Upgrade"):
                connection.unread(request.head)
                return echo_websocket(connection)
            connection.send(response_bytes(200, name, headers))
    return script


class RawBackend:
    """Accepts until closed. What a script raises (but the peer's leaving) is kept and raised by check()."""

    def __init__(self, script=answer_ok, tls=None, host="127.0.0.1", record=True, receive_buffer=None, backlog=512, port=0):
        """`host` with a slash is the path of a unix socket. `port`: that of a backend that was closed, which comes back."""
        self.script = script
        self.connections = []
        self.requests = []  # those that scripts have read, in the order in which they were whole
        self.errors = []
        self._tls = tls
        self._record = record
        self._closing = False
        self._lock = threading.Lock()
        self.is_unix = "/" in host
        family = socket.AF_UNIX if self.is_unix else socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(host if self.is_unix else (host, port))
        self._listener.listen(backlog)
        self.host = host
        self.port = 0 if self.is_unix else self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"backend-{self.port}", daemon=True)
        self._thread.start()

    def hold_little(self):
        """Of what the peer does not read: the kernel takes little more of the answers on connections that come."""
        self._listener.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 65536)

    @property
    def authority(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self):
        if self.is_unix:
            return f"unix:{self.host}"
        return f"{'https' if self._tls else 'http'}://{self.authority}"

    def received(self):
        """Every byte that came, on all connections."""
        return b"".join(bytes(connection.received) for connection in list(self.connections))

    def connection(self, index=0, timeout=5.0):
        """Waits for the connection of that number."""
        wait_until(lambda: len(self.connections) > index, f"connection {index} at the backend", timeout)
        return self.connections[index]

    def wait_for_request(self, count=1, timeout=5.0):
        wait_until(lambda: len(self.requests) >= count, f"request {count} at the backend", timeout)
        return self.requests[count - 1]

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # close() shut the listener down
            if not self.is_unix:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._closing:
                    sock.close()
                    return
                connection = BackendConnection(sock, len(self.connections), self._record, self.requests)
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self._tls:
                connection.socket.settimeout(seconds(5))
                connection.socket = self._tls.wrap_socket(connection.socket, server_side=True)
            self.script(connection)
        except PeerClosed:
            pass
        except OSError as error:  # a refused TLS handshake, or a socket that the script itself closed
            connection.ended = connection.ended or f"error: {error}"
        except BaseException as error:  # kept for check(): a thread has nobody to raise to
            if not self._closing:
                self.errors.append(error)
        finally:
            connection.close()
            connection.finished.set()

    def stop_listening(self):
        """New connections are refused from now on; the open ones live on."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(seconds(5))

    def close(self):
        with self._lock:
            self._closing = True
        self.stop_listening()
        for connection in self.connections:
            connection.abort()
        for connection in self.connections:
            connection.finished.wait(seconds(5))

    def check(self):
        if self.errors:
            raise AssertionError(f"a backend script failed: {self.errors[0]!r}") from self.errors[0]


class RefusingEndpoint:
    """An address that refuses connections, held so that nobody else takes it meanwhile."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        self._socket.close()

    def check(self):
        """Nothing can go wrong with it."""


class BlackHole:
    """An address whose connect never ends: its accept queue is full, so the kernel drops further SYNs."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def close(self):
        for filler in self._fillers:
            filler.close()
        self._listener.close()

    def check(self):
        """Nothing can go wrong with it."""
