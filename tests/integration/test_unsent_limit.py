"""What peers do not read waits in the kernel, too: its share is bounded on either side of the gateway."""

import fcntl
import socket
import struct
import termios
import threading

import pytest

from support.borrowed_socket import gateway_end
from support.http_message import request_bytes
from support.raw_backend import TCP_NOTSENT_LOWAT
from support.raw_client import blind
from support.websocket import BINARY, frame_bytes, open_websocket

UNSENT_MOST = 128 * 1024
MIB = 2**20
# The piece that is being taken when the limit is reached, and what is under way to the smallest window of a peer.
SLACK = 128 * 1024


def check_bounded(sock):
    """Once nobody takes anything any more."""
    assert sock.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) == UNSENT_MOST
    queued, = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    assert 0 < queued <= UNSENT_MOST + SLACK


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_answer_that_the_client_does_not_read(lab, ca, tls):
    stuck = threading.Event()

    def answer(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        peer.send_until_blocked(bytes(MIB), 64 * MIB)
        stuck.set()
        peer.hang()

    secure = {"tls": {"certificates": [ca.issue("test.example").as_config()]}} if tls else {}
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1,
                          listeners=[{"name": "web", "address": "127.0.0.1:0", **secure}])
    client = lab.client(gateway, tls=blind() if tls else None, receive_buffer=4096, record=False)
    client.send(request_bytes())
    assert stuck.wait(20)
    with gateway_end(gateway, remote=client.socket.getsockname()[1]) as accepted:
        check_bounded(accepted)


@pytest.mark.parametrize("kind", ["request", "tunnel"])
def test_what_the_backend_does_not_read(lab, kind):
    over = threading.Event()
    backend = lab.backend(lambda peer: (peer.read_request_head() if kind == "request" else peer.accept_websocket(),
                                        peer.wait(over, 50)), record=False, receive_buffer=4096)
    gateway = lab.gateway(backend, workers=1)
    client = lab.client(gateway)
    piece = frame_bytes(BINARY, bytes(60_000), mask=True)
    if kind == "request":
        client.send(request_bytes("POST", "/", [("Content-Length", str(64 * MIB))]))
    else:
        open_websocket(client)
    assert client.send_until_blocked(piece, 64 * MIB) < 64 * MIB
    with gateway_end(gateway, remote=backend.port) as connected:
        check_bounded(connected)
    over.set()
