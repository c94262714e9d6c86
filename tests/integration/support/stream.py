"""A socket with a buffer and deadlines, for both ends of the scripted peers."""

import select
import socket
import ssl
import struct
import time

from support.waiting import seconds

BLOCK = 65536


class PeerClosed(Exception):
    """The other side closed (FIN, or a TLS close) before what was waited for came."""


class PeerReset(PeerClosed):
    """The other side reset the connection."""


class Stream:
    """Reads with a deadline per call. `received` holds every byte that ever came, unless `record` is off."""

    def __init__(self, sock, timeout=5.0, record=True):
        self.socket = sock
        self.timeout = timeout
        self.received = bytearray()
        self.record = record
        self.ended = None  # "fin" or "reset" once the other side is gone
        self._buffer = bytearray()

    # reading

    def _fill(self, deadline, what):
        """One recv into the buffer; False at the end of the stream."""
        if self.ended == "fin":
            return False
        if self.ended == "reset":
            raise PeerReset(f"reset while waiting for {what}; buffer {bytes(self._buffer[-400:])!r}")
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.socket.recv(BLOCK)
        except (TimeoutError, ssl.SSLWantReadError):
            raise AssertionError(
                f"no {what} within {seconds(self.timeout)}s; unread so far: {bytes(self._buffer[-400:])!r}") from None
        except (ConnectionResetError, BrokenPipeError):
            self.ended = "reset"
            raise PeerReset(f"reset while waiting for {what}; buffer {bytes(self._buffer[-400:])!r}") from None
        if not data:
            self.ended = "fin"
            return False
        if self.record:
            self.received += data
        self._buffer += data
        return True

    def _deadline(self, timeout):
        return time.monotonic() + seconds(self.timeout if timeout is None else timeout)

    def _take(self, size):
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_until(self, marker, timeout=None):
        """Everything up to and with `marker`."""
        deadline, scanned = self._deadline(timeout), 0
        while (at := self._buffer.find(marker, scanned)) < 0:
            scanned = max(0, len(self._buffer) - len(marker))
            if not self._fill(deadline, repr(marker)):
                raise PeerClosed(f"closed while waiting for {marker!r}; got {bytes(self._buffer[-400:])!r}")
        return self._take(at + len(marker))

    def read_exactly(self, size, timeout=None):
        deadline = self._deadline(timeout)
        while len(self._buffer) < size:
            if not self._fill(deadline, f"{size} bytes"):
                raise PeerClosed(f"closed after {len(self._buffer)} of {size} bytes")
        return self._take(size)

    def read_some(self, timeout=None):
        """At least one byte, whatever is there; b"" at the end."""
        if not self._buffer:
            self._fill(self._deadline(timeout), "any bytes")
        return self._take(len(self._buffer))

    def buffered(self):
        """What has come with what was read, without waiting for more."""
        return self._take(len(self._buffer))

    def unread(self, data):
        """Puts bytes back, to be read again."""
        self._buffer[:0] = data

    def blocks(self, size):
        """Yields `size` bytes in pieces, without keeping them; the deadline is per piece."""
        left = size
        while left:
            data = self.read_some()
            if not data:
                raise PeerClosed(f"closed with {left} of {size} bytes missing")
            if len(data) > left:
                self.unread(data[left:])
                data = data[:left]
            left -= len(data)
            yield data

    def read_until_closed(self, timeout=None):
        """The rest of the stream; a reset ends it too (see `ended`)."""
        deadline = self._deadline(timeout)
        try:
            while self._fill(deadline, "the end of the stream"):
                pass
        except PeerReset:
            pass
        return self._take(len(self._buffer))

    def expect_closed(self, timeout=None):
        """The other side ends the connection, and sends nothing more before."""
        rest = self.read_until_closed(timeout)
        assert rest == b"", f"unexpected bytes before the end: {rest[:400]!r}"

    def expect_silence(self, duration=0.2):
        """Nothing arrives, not even the end, for `duration`."""
        assert not self._buffer, f"unread bytes: {bytes(self._buffer[:400])!r}"
        assert self.ended is None, f"the connection ended: {self.ended}"
        pending = getattr(self.socket, "pending", lambda: 0)()
        readable = pending or select.select([self.socket], [], [], duration)[0]
        if readable:
            raise AssertionError(f"not silent: {self.read_some()[:400]!r} (ended: {self.ended})")

    # writing

    def send(self, data):
        self.socket.settimeout(seconds(self.timeout))
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
            raise PeerReset(f"cannot send: {error}") from None

    def send_until_blocked(self, block, limit, quiet=0.5):
        """Sends `block` over and over until the peer takes nothing for `quiet` seconds or `limit` bytes went out."""
        sent, view = 0, memoryview(block)
        self.socket.setblocking(False)
        while sent < limit:
            if not select.select([], [self.socket], [], quiet)[1]:
                break
            try:
                sent += self.socket.send(view[:limit - sent])
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError) as error:
                raise PeerReset(f"cannot send: {error}") from None
        return sent

    # ending

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def abort(self):
        """Wakes whoever reads; the descriptor is closed by its owner."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
