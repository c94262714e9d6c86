"""Peers that vanish without a FIN or a reset: the kernel is told to find out. Until it has, minutes would pass."""

import socket

import pytest

from support.borrowed_socket import gateway_end
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.websocket import open_websocket

PROBING = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}


def check_probed(sock):
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert {name: sock.getsockopt(socket.IPPROTO_TCP, name) for name in PROBING} == PROBING


@pytest.mark.parametrize("kind", ["request", "tunnel"])
def test_both_ends_are_probed(lab, kind):
    backend = lab.backend(echo_websocket if kind == "tunnel" else lambda peer: (peer.read_request(), peer.hang()))
    gateway = lab.gateway(backend, workers=1)
    client = lab.client(gateway)
    if kind == "tunnel":
        open_websocket(client)
    else:
        client.send(request_bytes())
        backend.wait_for_request()
    with gateway_end(gateway, remote=client.socket.getsockname()[1]) as accepted:
        check_probed(accepted)
    with gateway_end(gateway, remote=backend.port) as connected:
        check_probed(connected)
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


@pytest.mark.parametrize("client_write_idle,milliseconds", [("1s", 120_000), ("10m", 600_000), ("off", 0)])
def test_bytes_that_nobody_acknowledges(lab, client_write_idle, milliseconds):
    """Those that the kernel has are bounded as those are that the gateway holds; but not before a lost probe or two."""
    gateway = lab.gateway(lab.backend(), workers=1, timeouts={"client_write_idle": client_write_idle})
    client = lab.client(gateway)
    assert client.request().status == 200
    with gateway_end(gateway, remote=client.socket.getsockname()[1]) as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == milliseconds
