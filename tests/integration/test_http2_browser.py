"""Chromium over HTTP/2: WebSockets and requests of a page share one connection."""

import shutil
import sys

import pytest

from support import real_backends
from support.http_message import response_bytes
from support.raw_backend import echo_websocket

SECURE = [{"name": "web", "address": "127.0.0.1:0", "tls": {"self_signed": True}}]
SOCKETS, REQUESTS = 50, 200


def echo_all(peer):
    """WebSockets, and of requests the target."""
    while True:
        request = peer.read_request_head(timeout=60)
        if request.header("Upgrade"):
            peer.unread(request.head)
            return echo_websocket(peer)
        peer.send(response_bytes(200, request.target.encode(), [("Content-Type", "text/html")]))


@pytest.fixture
def chromium():
    real_backends.need(shutil.which("chromium"), "chromium is not installed")


@pytest.mark.deadline(90)
def test_fifty_websockets_and_two_hundred_requests_take_one_connection(lab, chromium):
    gateway = lab.gateway(lab.backend(echo_all), listeners=SECURE)
    [seen] = lab.node_client("browser/one_connection.mjs", f"https://127.0.0.1:{gateway.port}/", SOCKETS, REQUESTS).finish(timeout=60)
    assert seen == {"answers": REQUESTS, "echoes": 2 * SOCKETS, "codes": [1000], "protocols": ["h2"], "failures": []}
    assert gateway.metric("sluice_connections_accepted_total") == 1
    assert gateway.metric("sluice_websocket_upgrades_total", route="all", result="accepted") == SOCKETS
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    gateway.wait_log(SOCKETS, event="tunnel_close")
    closed = [line for line in gateway.access_log() if line["event"] == "tunnel_close"]
    assert {line["tunnel"]["close_code"] for line in closed} == {1000}
    assert {line["version"] for line in closed} == {"HTTP/2.0"} and not any(line.get("failure") for line in closed)


@pytest.mark.deadline(60)
def test_the_demo_takes_one_connection(lab, chromium, tmp_path):
    folder = real_backends.TESTS.parent / "deploy/demo"
    demo = lab.keep(real_backends.Process(
        [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", folder, "--host", "127.0.0.1", "--port", "0", "--no-access-log"],
        r"running on \w+://[^:]+:(\d+)", tmp_path, "demo"))
    gateway = lab.gateway(demo, listeners=SECURE)
    lab.node_client("browser/demo_visit.mjs", f"https://127.0.0.1:{gateway.port}/").finish(timeout=50)
    assert gateway.metric("sluice_connections_accepted_total") == 1
    gateway.wait_log(1, event="tunnel_close", version="HTTP/2.0")
    requests = [line for line in gateway.access_log() if line["event"] == "request"]
    assert {line["version"] for line in requests} == {"HTTP/2.0"}
