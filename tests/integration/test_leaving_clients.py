"""Clients that leave while nobody reads from them: it is noticed, and it is nobody else's fault."""

import threading

import pytest

from support import freeze
from support.http_message import request_bytes
from support.waiting import wait_until
from support.websocket import accept_for, upgrade_bytes

BLOCK = bytes(60000)
ROUTES = [{"name": "all", "upstream": "app"},
          {"name": "ping", "match": {"path": "/ping"}, "respond": {"status": 200, "body": "pong"}}]


def upload_until_stalled(lab, gateway, client):
    """Sends until the gateway keeps bytes that the backend does not take, and then some that it does not read."""
    other = lab.client(gateway)
    for _ in range(500):
        client.send(BLOCK)
        assert other.request("GET", "/ping").status == 200  # so the only worker has had a turn
        if gateway.metric("sluice_held_bytes") > 0:
            client.send(BLOCK)
            return other.close()
    raise AssertionError("the backend takes everything")


@pytest.mark.deadline(60)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_leaving_during_an_upload_that_the_backend_does_not_read(lab, how):
    over = threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.wait(over, 50)
        connection.read_until_closed()

    backend = lab.backend(script, receive_buffer=4096)
    gateway = lab.gateway(backend, workers=1, routes=ROUTES)
    client = lab.client(gateway)
    client.send(request_bytes("POST", "/leaving", [("Content-Length", "100000000")]))
    upload_until_stalled(lab, gateway, client)
    client.reset() if how == "reset" else client.close()
    line = gateway.wait_log(target="/leaving")
    assert (line["status"], line["failure"]) == (499, "client_left")
    gateway.wait_metric("sluice_connections_open", 0)
    assert gateway.metric("sluice_held_bytes") == 0
    over.set()
    wait_until(backend.connection().finished.is_set, "the upstream connection to be closed")
    assert gateway.metric("sluice_upstream_failures_total", upstream="app") == 0


def test_leaving_just_before_the_upgrade_is_accepted(lab):
    """The 101 is there, but cannot be written any more: the backend has not failed."""
    sign, accepted = threading.Event(), threading.Event()

    def script(connection):
        request = connection.read_request_head()
        connection.wait(sign)
        connection.respond(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                      ("Sec-WebSocket-Accept", accept_for(request.header("Sec-WebSocket-Key")))])
        freeze.wait_delivered(connection)
        accepted.set()
        connection.hang()

    backend = lab.backend(script)
    gateway = lab.gateway(backend, workers=1)
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    backend.wait_for_request()
    with freeze.stopped(gateway):
        sign.set()
        wait_until(accepted.is_set, "the 101")
        client.reset()
        freeze.wait_reset_arrived(gateway, local=gateway.port)
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, result="client_left")
    assert gateway.metric("sluice_websocket_upgrades_total") == 1
    assert gateway.metric("sluice_upstream_failures_total", upstream="app") == 0
    assert gateway.wait_log(target="/ws")["status"] == 499
    wait_until(backend.connection().finished.is_set, "the upstream connection to be closed")
