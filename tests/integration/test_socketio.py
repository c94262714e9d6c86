"""socket.io's own server and client: long polling, WebSocket, and the way from one to the other."""

import re

import pytest

from support import real_backends
from support.config_text import config_for
from support.waiting import wait_until

UPGRADE, POLLING, WEBSOCKET = "polling,websocket", "polling", "websocket"
SCHEMES = ["http", "https"]
SID = re.compile(r"[?&]sid=([\w-]+)")


def gateway_before(lab, ca, scheme, *backends):
    listener = {"name": "web", "address": "127.0.0.1:0"}
    if scheme == "https":
        listener["tls"] = {"certificates": [ca.issue("127.0.0.1").as_config()]}
    return lab.gateway(*backends, listeners=[listener])


def client(lab, ca, scheme, gateway, transports, scenario="talk"):
    return lab.node_client("support/socketio_client.mjs", f"{scheme}://127.0.0.1:{gateway.port}", transports, scenario,
                           ca=ca.certificate)


def of_session(gateway, session, **fields):
    """The lines of the access log that carried it."""
    return [line for line in gateway.access_log() if SID.findall(line["target"]) == [session]
            and all(line.get(name) == value for name, value in fields.items())]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_upgrade_keeps_the_session(lab, ca, scheme):
    gateway = gateway_before(lab, ca, scheme, lab.real(real_backends.socketio))
    talker = client(lab, ca, scheme, gateway, UPGRADE)
    talker.finish()
    assert talker.said("talked")
    connect = talker.wait_event("connect")
    assert (connect["first"], connect["client"], connect["server"]) == (POLLING, WEBSOCKET, WEBSOCKET)

    closed = gateway.wait_log(event="tunnel_close")
    assert SID.findall(closed["target"]) == [connect["session"]]
    polls = of_session(gateway, connect["session"], event="request")
    assert {line["method"] for line in polls} == {"GET", "POST"}
    assert {line["status"] for line in polls} == {200}
    assert {line["scheme"] for line in gateway.access_log()} == {scheme}
    assert gateway.metric("sluice_websocket_upgrades_total", result="accepted") == 1
    assert gateway.metric("sluice_websocket_bytes_total", direction="to_client") > 1_000_000, "the talk went this way"
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_polling_alone(lab, ca, scheme):
    gateway = gateway_before(lab, ca, scheme, lab.real(real_backends.socketio))
    talker = client(lab, ca, scheme, gateway, POLLING)
    talker.finish()
    connect = talker.wait_event("connect")
    assert (connect["client"], connect["server"]) == (POLLING, POLLING)
    assert gateway.metric("sluice_websocket_upgrades_total") == 0
    wait_until(lambda: sum(line["bytes_sent"] for line in of_session(gateway, connect["session"])) > 1_000_000,
               "the talk in the log")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_websocket_alone(lab, ca, scheme):
    gateway = gateway_before(lab, ca, scheme, lab.real(real_backends.socketio))
    talker = client(lab, ca, scheme, gateway, WEBSOCKET)
    talker.finish()
    connect = talker.wait_event("connect")
    assert (connect["first"], connect["client"], connect["server"]) == (WEBSOCKET, WEBSOCKET, WEBSOCKET)
    gateway.wait_log(event="tunnel_close")
    assert {line["event"] for line in gateway.access_log()} == {"tunnel_open", "tunnel_close"}, "nobody polled"


@pytest.mark.parametrize("scheme,transports", [("https", UPGRADE), ("http", POLLING), ("http", WEBSOCKET)])
def test_clients_come_back_after_the_backend_has(lab, ca, scheme, transports):
    path = lab.folder / "socketio.sock"
    first = lab.real(real_backends.socketio_at, path, "first")
    gateway = gateway_before(lab, ca, scheme, first)
    survivor = client(lab, ca, scheme, gateway, transports, "survive")
    survivor.wait_event("talked")
    first.close()
    survivor.wait_event("disconnect")
    survivor.wait_event("reconnect_error")  # the gateway answers for a backend that is not there
    lab.real(real_backends.socketio_at, path, "second")
    survivor.wait_event("talked", 2)
    survivor.finish()
    before, after = survivor.said("connect")
    assert before["session"] != after["session"]
    assert before["client"] == after["client"] == transports.split(",")[-1]
    assert gateway.metric("sluice_upstream_failures_total") > 0
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def test_websocket_alone_over_two_backends(lab, ca):
    """Nothing but the socket belongs to a session then, so it does not matter who serves it."""
    backends = [lab.real(real_backends.socketio, name) for name in ("first", "second")]
    gateway = lab.gateway(*backends, workers=1)
    talkers = [client(lab, ca, "http", gateway, WEBSOCKET) for _ in range(4)]
    for talker in talkers:
        talker.finish()
    gateway.wait_log(4, event="tunnel_close")
    served = [line["endpoint"] for line in gateway.access_log() if line["event"] == "tunnel_close"]
    assert sorted(served) == sorted(backend.url for backend in backends * 2)


def test_polling_over_two_backends_loses_the_session(lab):
    """Without sticky sessions every second request meets a backend that does not know the session, and the client is told
    by that backend itself."""
    backends = [lab.real(real_backends.socketio, name) for name in ("first", "second")]
    gateway = lab.gateway_from(config_for(*backends, workers=1))
    browser = lab.client(gateway)
    opened = browser.request("GET", "/socket.io/?EIO=4&transport=polling")
    session = re.search(rb'"sid":"([\w-]+)"', opened.body)[1].decode()
    lost = browser.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={session}", body=b"40")
    assert (lost.status, b"Session ID unknown" in lost.body) == (400, True)
    found = browser.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={session}", body=b"40")
    assert (found.status, found.body) == (200, b"ok")
