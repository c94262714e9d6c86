"""What is under way at the very moment of SIGTERM, on every side, and what is left when the drain time is over."""

import select
import signal
import ssl
import threading

import pytest

from support import freeze
from support.http_message import request_bytes
from support.raw_client import blind
from support.waiting import seconds, wait_until
from support.websocket import CLOSE, accept_for, upgrade_bytes

# Far more than the gateway accepts in one go, far fewer than it lets wait and than a process may have files.
QUEUED = 700
FIXED = [{"name": "all", "respond": {"status": 200, "body": "ok"}}]


def refuses(lab, gateway):
    try:
        lab.client(gateway).close()
        return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def begin_drain(lab, gateway):
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(lab, gateway), "the listeners to be closed")


# connections that the gateway has not got to yet

@pytest.mark.parametrize("workers", [1, 2])
def test_requests_in_the_accept_queue_are_answered(lab, workers):
    gateway = lab.gateway(routes=FIXED, workers=workers, timeouts={"drain": "10s"})
    with freeze.stopped(gateway):
        clients = [lab.client(gateway) for _ in range(QUEUED)]
        for client in clients:
            client.send(request_bytes())
        gateway.signal(signal.SIGTERM)
    for client in clients:
        assert client.response().status == 200
        client.expect_closed()
        client.close()
    assert gateway.wait_exit(timeout=5) == 0
    assert len(gateway.access_log()) == QUEUED


def test_requests_that_follow_their_connection_into_the_drain_are_answered(lab):
    gateway = lab.gateway(routes=FIXED, workers=1, timeouts={"drain": "10s"})
    with freeze.stopped(gateway):
        clients = [lab.client(gateway) for _ in range(20)]
        gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(lab, gateway), "the listeners to be closed")
    for client in clients:
        client.send(request_bytes())
    for client in clients:
        assert client.response().status == 200
        client.close()
    assert gateway.wait_exit(timeout=5) == 0


@pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in the middle"])
def test_a_handshake_under_way_is_completed_and_its_request_answered(lab, begun):
    listener = {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}
    gateway = lab.gateway(listeners=[listener], routes=FIXED, timeouts={"drain": "10s"})
    client = lab.client(gateway)
    client.socket = blind().wrap_socket(client.socket, server_hostname="localhost", do_handshake_on_connect=False)
    if begun:
        client.socket.setblocking(False)
        with freeze.stopped(gateway), pytest.raises(ssl.SSLWantReadError):
            client.socket.do_handshake()
        assert select.select([client.socket], [], [], seconds(5))[0], "no answer to the ClientHello"
    gateway.wait_metric("sluice_connections_open", 1)
    begin_drain(lab, gateway)
    client.socket.settimeout(seconds(5))
    client.socket.do_handshake()
    response = client.request()
    assert (response.status, response.header("Connection").lower()) == (200, "close")
    client.close()
    assert gateway.wait_exit(timeout=5) == 0


def test_a_tunnel_that_opens_during_the_drain_is_told_to_close(lab):
    """The backend's 101 comes after SIGTERM: both ends get a Close 1001, as those that were open did."""
    sign = threading.Event()

    def script(connection):
        request = connection.read_request_head()
        connection.wait(sign)
        connection.respond(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                      ("Sec-WebSocket-Accept", accept_for(request.header("Sec-WebSocket-Key")))])
        frame = connection.read_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
        connection.send_frame(CLOSE, frame.payload)

    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts={"drain": "10s"})
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    backend.wait_for_request()
    begin_drain(lab, gateway)
    sign.set()
    assert client.response().status == 101
    frame = client.read_frame(timeout=3)
    assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
    client.send_frame(CLOSE, frame.payload)
    client.read_until_closed()
    assert gateway.wait_exit(timeout=5) == 0


# the end of the drain time

def ends_in_time(gateway):
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_exit(timeout=8) == 0
    assert "a worker did not end in time" not in gateway.stderr()


def test_pipelined_requests_that_wait_are_cut_at_the_end(lab):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.hang()))
    gateway = lab.gateway(backend, timeouts={"drain": "300ms"})
    clients = [lab.client(gateway) for _ in range(3)]
    for client in clients:
        client.send(request_bytes() + request_bytes("GET", "/next"))
    backend.wait_for_request(3)
    ends_in_time(gateway)
    for client in clients:
        client.read_until_closed()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_uploads_that_nobody_reads_are_cut_at_the_end(lab, ca, secure):
    over = threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.wait(over)

    context = ca.issue("127.0.0.1").server_context() if secure else None
    backend = lab.backend(script, tls=context, receive_buffer=4096)
    gateway = lab.gateway(backend, timeouts={"drain": "300ms"}, upstream={"tls": {"ca": str(ca.certificate)}})
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/", [("Content-Length", "100000000")]))
    client.send_until_blocked(bytes(65536), 50_000_000)
    ends_in_time(gateway)
    client.read_until_closed()
    over.set()
