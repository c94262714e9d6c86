"""Whatever the frames, the fragments, the sizes of writes and the pace: the bytes of both sides arrive as they were sent, in order."""

import os
import random
import select
import socket
import ssl
import threading
import time

import pytest

from support.raw_client import trusting
from support.waiting import seconds, wait_until
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame_bytes, open_websocket

TUNNELS = 6          # one after the other, each with a seed of its own
BYTES = 1_500_000    # about so many each way in each
BUFFER = 4096        # of the peers' sockets, so that writes come back short
SIZES = (0, 1, 5, 125, 126, 127, 1000, 4096, 16383, 65535, 65536, 65537, 100_000)
PAUSES = (0, 0, 0, 0, 0.0002)
WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def random_stream(rng, masked):
    """Frames as that side may send them: messages in fragments with control frames between, then a Close."""
    frames, size = [], 0

    def add(*arguments, **options):
        nonlocal size
        frames.append(frame_bytes(*arguments, mask=masked, **options))
        size += len(frames[-1])

    while size < BYTES:
        opcode, left = rng.choice((TEXT, BINARY)), rng.choice((1, 1, 1, 2, 3, 10))
        while left:
            left -= 1
            length = rng.choice(SIZES) if rng.random() < 0.5 else rng.randrange(300)
            add(opcode, rng.randbytes(length), fin=not left)
            opcode = CONTINUATION
            while rng.random() < 0.3:
                add(rng.choice((PING, PONG)), rng.randbytes(rng.choice((0, 1, 125))))
    add(CLOSE, close_payload(rng.choice((1000, 3000, 4999)), b"seen"))
    return b"".join(frames)


class Side:
    """One end of a tunnel: sends its stream in pieces while it reads the other's."""

    def __init__(self, seed, masked):
        self._rng = random.Random(seed)
        self.data = random_stream(self._rng, masked)
        self.received = bytearray()
        self.done = threading.Event()

    def run(self, stream, expected):
        """Until all is sent and so much has come, or the other side ends."""
        sock = stream.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.received += stream.buffered()
        sock.setblocking(False)
        unsent, piece = memoryview(self.data), memoryview(b"")
        while unsent or piece or len(self.received) < expected:
            piece, unsent = (piece, unsent) if piece else self._cut(unsent)
            readable, writable = self._wait(sock, bool(piece))
            if readable and not self._receive(sock):
                break
            if writable:
                piece = piece[self._send(sock, piece):]
            time.sleep(self._rng.choice(PAUSES))  # the pace is part of the case; nothing waits for it
        self.done.set()

    def _cut(self, data):
        size = self._rng.choice((1, 2, 3, 7, 1400, 70_000)) if self._rng.random() < 0.3 else self._rng.randrange(1, 20_000)
        return data[:size], data[size:]

    @staticmethod
    def _wait(sock, sends):
        pending = getattr(sock, "pending", lambda: 0)()
        readable, writable, _ = select.select([sock], [sock] if sends else [], [], 0 if pending else seconds(15))
        assert readable or writable or pending, "nothing comes any more"
        return readable or pending, writable

    def _receive(self, sock):
        """False at the end."""
        try:
            data = sock.recv(self._rng.choice((1, 100, 4096, 65536)))
        except WANTS:
            return True
        self.received += data
        return bool(data)

    @staticmethod
    def _send(sock, piece):
        try:
            return sock.send(piece)
        except WANTS:
            return 0


def first_difference(sent, got):
    if sent == got:
        return None
    at = next((at for at, (one, other) in enumerate(zip(sent, got)) if one != other), min(len(sent), len(got)))
    return f"{len(got)} of {len(sent)} bytes, different from byte {at} on: sent {sent[at:at + 20]!r}, got {got[at:at + 20]!r}"


@pytest.mark.slow
@pytest.mark.deadline(90)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_bytes_arrive_as_they_were_sent(lab, ca, scheme):
    # A run can be repeated: SLUICE_TEST_SEED is what a failing one has printed.
    first_seed = int(os.environ.get("SLUICE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    sides = {}

    def script(peer):
        request = peer.read_request_head()
        peer.unread(request.head)
        peer.accept_websocket()
        client, backend = sides[request.target]
        backend.run(peer, len(client.data))

    listener = {"name": "web", "address": "127.0.0.1:0"}
    if scheme == "wss":
        listener["tls"] = {"certificates": [ca.issue("127.0.0.1").as_config()]}
    tls = {"tls": trusting(ca.certificate), "server_name": "127.0.0.1"} if scheme == "wss" else {}
    gateway = lab.gateway(lab.backend(script, receive_buffer=BUFFER), listeners=[listener])
    for seed in range(first_seed, first_seed + TUNNELS):
        target = f"/{seed}"
        client, backend = sides[target] = Side(f"client {seed}", True), Side(f"backend {seed}", False)
        stream = lab.client(gateway, receive_buffer=BUFFER, **tls)
        open_websocket(stream, target)
        client.run(stream, len(backend.data))
        wait_until(backend.done.is_set, f"the backend's end, SLUICE_TEST_SEED={seed}", timeout=15)
        stream.close()
        for side, other in ((client, backend), (backend, client)):
            assert not (problem := first_difference(side.data, other.received)), f"SLUICE_TEST_SEED={seed}: {problem}"
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
