"""SIGTERM: what is under way is finished, nothing new is begun."""

import re
import signal
import threading

import pytest

from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import CLOSE, open_websocket


def held(sign):
    def script(connection):
        while True:
            connection.read_request()
            connection.wait(sign)
            connection.respond(body=b"finished")

    return script


@pytest.fixture
def under_way(lab):
    """A gateway with a request that waits for its backend, and the sign that lets the backend answer."""
    sign = threading.Event()
    backend = lab.backend(held(sign))
    gateway = lab.gateway(backend, timeouts={"drain": "10s"})
    client = lab.client(gateway)
    client.send(request_bytes())
    backend.wait_for_request()
    yield gateway, client, sign
    sign.set()


def refuses(lab, gateway):
    try:
        lab.client(gateway)
        return False
    except (ConnectionRefusedError, ConnectionResetError):  # a reset: this one came in the very moment of the closing
        return True


def test_an_idle_gateway_exits_at_once(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"drain": "20s"})
    lab.request(gateway)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_exit(timeout=3) == 0
    assert "drained" in gateway.stderr() and " cut" not in gateway.stderr()


def test_idle_connections_do_not_hold_it_up(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"drain": "20s"})
    clients = [lab.client(gateway) for _ in range(5)]
    for client in clients[:4]:  # the last one never says anything
        assert client.request().status == 200
    gateway.signal(signal.SIGTERM)
    for client in clients:
        client.expect_closed()
    assert gateway.wait_exit(timeout=3) == 0


def test_requests_under_way_are_finished(lab, under_way):
    gateway, client, sign = under_way
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(lab, gateway), "the listener to be closed")
    assert gateway.process.poll() is None
    sign.set()
    response = client.response()
    assert response.body == b"finished"
    assert response.header("Connection").lower() == "close"
    client.expect_closed()
    assert gateway.wait_exit(timeout=3) == 0


def test_uploads_and_downloads_under_way_are_finished(lab):
    size = 20_000_000

    def script(connection):
        request = connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.send(bytes(size))
        assert len(request.body) == size

    backend = lab.backend(script, record=False)
    gateway = lab.gateway(backend, timeouts={"drain": "15s"})
    client = lab.client(gateway, record=False, timeout=15)
    client.send(request_bytes("POST", "/", [("Content-Length", str(size))]))
    client.send(bytes(size // 2))
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(lab, gateway), "the listener to be closed")
    client.send(bytes(size // 2))
    assert len(client.response().body) == size
    assert gateway.wait_exit(timeout=5) == 0


def test_what_is_not_finished_in_time_is_cut(lab):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.hang()))
    gateway = lab.gateway(backend, timeouts={"drain": "400ms"})
    client = lab.client(gateway)
    client.send(request_bytes())
    backend.wait_for_request()
    gateway.signal(signal.SIGTERM)
    client.read_until_closed(timeout=3)
    assert gateway.wait_exit(timeout=3) == 0
    assert re.search(r"ended; \d+ connections? w\w+ cut", gateway.stderr()) and "drained" not in gateway.stderr()


def test_readiness_goes_before_the_service_does(lab, under_way):
    gateway, client, sign = under_way
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: gateway.admin("/readyz").status == 503, "not ready while draining")
    assert gateway.admin("/healthz").status == 200
    sign.set()
    assert client.response().status == 200


@pytest.mark.parametrize("what", ["request", "tunnel"])
def test_a_second_sigterm_exits_at_once(lab, what):
    script = echo_websocket if what == "tunnel" else lambda peer: (peer.read_request(), peer.hang())
    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts={"drain": "20s"})
    client = lab.client(gateway)
    if what == "tunnel":
        open_websocket(client)
    else:
        client.send(request_bytes())
        backend.connection()
    gateway.expected_stop = None
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(lab, gateway), "the drain to begin")
    assert gateway.process.poll() is None
    gateway.signal(signal.SIGTERM)
    gateway.expected_stop = gateway.wait_exit(timeout=2)
    assert gateway.expected_stop in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    assert re.search(r"ended; \d+ connections? w\w+ cut", gateway.stderr()) and "drained" not in gateway.stderr()


def test_the_first_sigterm_after_a_drain_that_was_asked_for_is_not_the_second(lab):
    """As a container's preStop hook and its end come one after the other."""
    gateway = lab.gateway(lab.backend(echo_websocket), timeouts={"drain": "10s"}, route={"websocket": {"drain": {"over": "1s"}}})
    client = lab.client(gateway)
    open_websocket(client)
    assert gateway.admin("/drain", [("X-Sluice-Admin", "1")], method="POST").status == 202
    gateway.signal(signal.SIGTERM)
    frame = client.read_frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, 1001)
    client.send_frame(CLOSE, frame.payload)
    assert gateway.wait_exit(timeout=5) == 0


def test_sigint_ends_it_too(lab):
    gateway = lab.gateway(lab.backend())
    gateway.signal(signal.SIGINT)
    assert gateway.wait_exit(timeout=3) == 0


def test_the_log_is_written_out(lab):
    gateway = lab.gateway(lab.backend())
    client = lab.client(gateway)
    for _ in range(200):
        client.request()
    assert gateway.stop() == 0
    assert len(gateway.access_log()) == 200


def test_the_port_is_free_afterwards(lab):
    first = lab.gateway(lab.backend())
    port = first.port
    first.stop()
    second = lab.gateway(lab.backend(), listeners=[{"name": "web", "address": f"127.0.0.1:{port}"}])
    assert lab.request(second).status == 200
