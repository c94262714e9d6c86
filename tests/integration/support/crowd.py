"""Many connections at once for one attacker: opened, fed and drained from one thread."""

import collections
import contextlib
import re
import selectors
import socket
import ssl
import struct
import time

from support.waiting import seconds

STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT is left behind
KEPT = 4096  # bytes that are remembered of what a connection received, unless the test says more


class Member:
    def __init__(self, sock):
        self.socket = sock  # non-blocking
        self.received = b""
        self.ended = None  # "fin" or "reset"

    def sip(self):
        """Takes one byte, if there is one."""
        with contextlib.suppress(OSError):
            self.socket.recv(1)

    def status(self):
        """Of the first answer."""
        match = STATUS.match(self.received)
        return int(match[1]) if match else None


class Crowd:
    """`size` connections to a port, each of which has sent `first`. `tls`: a context, and the handshakes are done."""

    def __init__(self, port, size, first=b"", tls=None, receive_buffer=None, kept=KEPT):
        self.members = []
        self._kept = kept
        self._selector = selectors.DefaultSelector()
        try:
            for _ in range(size):
                self.add(port, first, tls, receive_buffer)
        except BaseException:
            self.close()
            raise

    def add(self, port, first=b"", tls=None, receive_buffer=None):
        sock = socket.socket()
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(seconds(5))
            sock.connect(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                sock = tls.wrap_socket(sock, server_hostname="test.example")
        except BaseException:
            sock.close()
            raise
        member = Member(sock)
        self.members.append(member)
        self._selector.register(sock, selectors.EVENT_READ, member)
        sock.setblocking(False)
        if first:
            self.push(member, first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def alive(self):
        return [member for member in self.members if member.ended is None]

    def send(self, data):
        """To each that is still there; what does not fit into its socket is lost. How many took something."""
        return sum(self.push(member, data) > 0 for member in self.alive())

    def push(self, member, data):
        """How many bytes its socket took."""
        try:
            return member.socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError:
            if not member.received:
                self._receive(member)  # an answer may have come before the reset
            self._ended(member, "reset")
            return 0

    def receive(self, patience=0.0):
        """Takes in what has come, waiting at most so long for the first of it."""
        if not self._selector.get_map():
            return
        for key, _ in self._selector.select(patience):
            self._receive(key.data)

    def _receive(self, member):
        try:
            while data := member.socket.recv(65536):
                member.received = (member.received + data)[:self._kept]
            self._ended(member, "fin")
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self._ended(member, "reset")

    def _ended(self, member, how):
        if member.ended is None:
            member.ended = how
            self._selector.unregister(member.socket)

    def drip(self, data, every, duration):
        """Sends `data` to all again and again, and takes in what comes; until all have ended or the time is over."""
        ends = time.monotonic() + duration
        while self.alive() and time.monotonic() < ends:
            pause = time.monotonic() + every
            self.send(data)
            while (left := pause - time.monotonic()) > 0 and self.alive():
                self.receive(left)

    def wait_ended(self, timeout=5.0):
        """Until the gateway has ended all of them."""
        ends = time.monotonic() + seconds(timeout)
        while self.alive():
            assert time.monotonic() < ends, f"{len(self.alive())} of {len(self.members)} are still open"
            self.receive(0.1)
        return self

    def statuses(self):
        """How many had which answer first; None: no answer."""
        return dict(collections.Counter(member.status() for member in self.members))

    def close(self):
        """Resets what is left."""
        for member in self.members:
            try:
                member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            except OSError:
                pass
            member.socket.close()
        self._selector.close()
