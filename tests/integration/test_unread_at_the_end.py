"""What a client has not read when its connection is over: the kernel would go on offering it, and hold the memory, after the socket was
closed."""

import signal
import socket
import time

import h2.settings
import pytest

from support.http2_client import Http2Client
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import blind
from support.stream import PeerReset
from support.waiting import stays, wait_until
from support.websocket import BINARY, CLOSE, open_websocket

# More than the smallest window takes, and little enough for the kernel to take all of it from the gateway.
BODY = 110_000
TIMEOUTS = {"client_write_idle": "1s", "keepalive_idle": "200ms"}
WINDOW_UPDATE = b"\0\0\4\x08\0" + bytes(4)  # of the connection
UNREAD = ("sluice_client_timeouts_total", "client_write")


def answer(peer):
    while True:
        peer.read_request()
        peer.respond(200, bytes(BODY))


def open_connections(gateway):
    return gateway.metric("sluice_connections_open")


def client_that_reads_nothing(lab, gateway, how):
    """One that has got the first byte of an answer, and whose connection is over for the gateway by that."""
    client = lab.client(gateway, tls=blind() if how == "tls" else None, receive_buffer=4096, record=False)
    client.send(request_bytes(headers=[("Connection", "close")] if how == "close" else []))
    client.socket.recv(1)
    if how == "half-close":
        client.half_close()
    return client


@pytest.mark.parametrize("how", ["half-close", "close", "idle", "tls"])
def test_it_keeps_its_place_and_is_reset(lab, ca, how):
    secure = {"tls": {"certificates": [ca.issue("test.example").as_config()]}, "protocols": ["http/1.1"]} if how == "tls" else {}
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1, limits={"max_connections": 2}, timeouts=TIMEOUTS,
                          listeners=[{"name": "web", "address": "127.0.0.1:0", **secure}])
    clients = [client_that_reads_nothing(lab, gateway, how) for _ in range(2)]
    stays(lambda: open_connections(gateway) == 2, "both have their places", 0.7)
    gateway.wait_metric("sluice_connections_open", 0)
    assert gateway.metric(UNREAD[0], phase=UNREAD[1]) == 2
    for client in clients:
        check_that_little_comes(client.socket)


def check_that_little_comes(sock):
    """It was reset: the kernel has thrown away what had not been taken."""
    got = 0
    sock = socket.socket(fileno=sock.detach())  # past TLS
    sock.settimeout(5)
    with pytest.raises(ConnectionResetError):
        while data := sock.recv(65536):
            got += len(data)
    assert got < BODY / 2


@pytest.mark.parametrize("says", ["close", "nothing"])
def test_of_a_tunnel(lab, says):
    gateway = lab.gateway(lab.backend(echo_websocket, record=False), workers=1, limits={"max_connections": 1}, timeouts=TIMEOUTS)
    client = lab.client(gateway, receive_buffer=4096, record=False)
    open_websocket(client)
    client.send_frame(BINARY, bytes(BODY))
    client.socket.recv(1)
    if says == "close":
        client.send_frame(CLOSE)
    client.half_close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    stays(lambda: open_connections(gateway) == 1, "it has its place", 0.7)
    gateway.wait_metric("sluice_connections_open", 0)
    assert gateway.metric(UNREAD[0], phase=UNREAD[1]) == 1
    check_that_little_comes(client.socket)


@pytest.mark.parametrize("ends", ["half-close", "idle"])
def test_over_http2(lab, ends):
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1, timeouts=TIMEOUTS,
                          listeners=[{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2"]}])
    client = Http2Client(lab.client(gateway, receive_buffer=4096, record=False),
                         {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2 * BODY})
    client.stream.send(WINDOW_UPDATE + (2 * BODY).to_bytes(4, "big"))
    client.begin()
    gateway.wait_log(bytes_sent=BODY)
    if ends == "half-close":
        client.stream.half_close()
    else:
        gateway.wait_metric("sluice_client_timeouts_total", 1, phase="keepalive")
    stays(lambda: open_connections(gateway) == 1, "it has its place", 0.7)
    gateway.wait_metric("sluice_connections_open", 0)
    assert gateway.metric(UNREAD[0], phase=UNREAD[1]) == 1
    check_that_little_comes(client.stream.socket)


def test_a_client_that_is_cut_for_not_reading_is_reset(lab):
    gateway = lab.gateway(lab.backend(lambda peer: (peer.read_request(), peer.respond(200, bytes(2**24))), record=False), workers=1,
                          timeouts={"client_write_idle": "500ms"})
    client = lab.client(gateway, receive_buffer=4096, record=False)
    client.send(request_bytes())
    wait_until(lambda: open_connections(gateway) == 1, "the connection")
    gateway.wait_metric("sluice_connections_open", 0)
    check_that_little_comes(client.socket)


def test_who_reads_slowly_gets_all(lab):
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1, timeouts=TIMEOUTS)
    client = client_that_reads_nothing(lab, gateway, "half-close")
    client.socket.settimeout(5)
    got = 1
    while data := client.socket.recv(2000):
        got += len(data)
        time.sleep(0.03)  # its pace
    assert got > BODY
    assert gateway.metric(UNREAD[0], phase=UNREAD[1]) == 0
    gateway.wait_metric("sluice_connections_open", 0)


def test_who_says_more_is_reset(lab):
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1, timeouts={**TIMEOUTS, "client_write_idle": "20s"})
    client = client_that_reads_nothing(lab, gateway, "idle")
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="keepalive")
    client.send(b"x")
    gateway.wait_metric("sluice_connections_open", 0)
    with pytest.raises(PeerReset):
        client.read_until(b"never")


def test_a_drain_does_not_wait_for_it(lab):
    gateway = lab.gateway(lab.backend(answer, record=False), workers=1, timeouts={"drain": "20s", "keepalive_idle": "200ms"})
    client = client_that_reads_nothing(lab, gateway, "half-close")
    stays(lambda: open_connections(gateway) == 1, "it has its place")
    gateway.signal(signal.SIGTERM)
    gateway.wait_exit(5)
    client.socket.settimeout(5)
    got = 1
    while data := client.socket.recv(65536):
        got += len(data)
    assert got > BODY
