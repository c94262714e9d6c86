"""Backends that crash, hang, reset or talk nonsense at every stage of an upgrade and of a tunnel."""

import pytest

from support.http_message import read_response
from support.waiting import wait_until
from support.websocket import TEXT, frame_bytes, open_websocket, upgrade_bytes

SHORT = {"connect": "300ms", "response_head": "300ms", "response_body_idle": "300ms"}
HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"


def after_request(*sent, end="close"):
    def script(peer):
        peer.read_request()
        for data in sent:
            peer.send(data)
        if end == "reset":
            peer.reset()
        elif end == "hang":
            peer.hang()

    return script


NO_101 = [
    ("closes at once", lambda peer: None, 502),
    ("resets at once", lambda peer: peer.reset(), 502),
    ("closes after the request", after_request(), 502),
    ("resets after the request", after_request(end="reset"), 502),
    ("closes in the status line", after_request(b"HTTP/1.1 10"), 502),
    ("closes in the head", after_request(HEAD), 502),
    ("resets in the head", after_request(HEAD, end="reset"), 502),
    ("talks garbage", after_request(b"\x00\x01 what?\r\n\r\n", end="hang"), 502),
    ("sends a frame instead of a head", after_request(frame_bytes(TEXT, b"hello"), end="close"), 502),
    ("sends an endless head", after_request(HEAD + b"X-A: b\r\n" * 20000, end="hang"), 502),
    ("repeats Content-Length", after_request(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nno",
                                             end="hang"), 502),
    ("hangs without reading", lambda peer: peer.hang(), 504),
    ("hangs after the request", after_request(end="hang"), 504),
    ("hangs in the head", after_request(HEAD, end="hang"), 504),
]


@pytest.mark.parametrize("name,script,status", NO_101, ids=[case[0].replace(" ", "-") for case in NO_101])
def test_no_101(lab, name, script, status):
    backend = lab.backend(script)
    gateway = lab.gateway(backend, timeouts=SHORT)
    client = lab.client(gateway)
    client.send(upgrade_bytes("/failing"))
    response = read_response(client)
    assert response.status == status
    reason = response.header("Sluice-Error")
    assert reason
    wait_until(lambda: all(one.finished.is_set() for one in backend.connections), "the upstream connection to end")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="failed_upstream")
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason=reason) >= 1
    line = gateway.wait_log(target="/failing")
    assert (line["status"], line["failure"]) == (status, reason)
    assert gateway.metric("sluice_websocket_tunnels_open") == 0


@pytest.mark.parametrize("endpoint,status", [("refusing", 502), ("black_hole", 504)])
def test_no_connection(lab, endpoint, status):
    gateway = lab.gateway(getattr(lab, endpoint)(), timeouts=SHORT)
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    assert read_response(client).status == status
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="failed_upstream")


def test_a_client_that_leaves_during_the_upgrade(lab):
    backend = lab.backend(after_request(end="hang"))
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    backend.wait_for_request()
    client.close()
    wait_until(backend.connection().finished.is_set, "the upstream connection to be closed")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="client_left")


@pytest.mark.parametrize("name,sent,passes,end", [
    ("dies after the 101", b"", True, "close"),
    ("dies in a frame's header", b"\x82", False, "close"),
    ("dies in a payload", frame_bytes(2, bytes(1000))[:500], True, "close"),
    ("resets in a payload", frame_bytes(2, bytes(1000))[:500], True, "reset"),
    ("resets after the 101", b"", True, "reset"),
])
def test_the_backend_dies_in_the_tunnel(lab, name, sent, passes, end):
    """Half a header does not pass: nothing could be put behind it."""
    def script(peer):
        peer.accept_websocket(after=sent)
        if end == "reset":
            peer.reset()

    gateway = lab.gateway(lab.backend(script))
    client = lab.client(gateway)
    if end == "reset":  # the reset may overtake the 101 in the gateway's socket
        client.send(upgrade_bytes())
        client.read_until_closed()
    else:
        open_websocket(client)
        assert client.read_until_closed() == (sent if passes else b"")
        client.close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("junk", [b"\xff" * 500, b"\x83\x00", b"\x89\x7e\xff\xff",
                                  b"\x82\x7f" + b"\xff" * 8 + b"x" * 100])
@pytest.mark.parametrize("side", ["client", "backend"])
def test_frames_that_are_none_do_no_harm(lab, junk, side):
    """Both sides are told, and nothing stays behind. Each rule: test_websocket_rules.py."""
    def script(peer):
        peer.accept_websocket(after=junk if side == "backend" else b"")
        peer.hang()

    backend = lab.backend(script)
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    open_websocket(client)
    if side == "client":
        client.send(junk)
    client.half_close()
    wait_until(lambda: gateway.metric("sluice_websocket_tunnels_open") == 0 or backend.connection().ended, "the end")
    client.close()
    backend.close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
