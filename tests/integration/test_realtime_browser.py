"""The clients of socket.io and graphql-ws in Chromium, which decides by itself when to use WebSocket."""

import re
import shutil

import pytest

from support import real_backends
from support.config_text import config_for


def config(socketio, graphql, listener):
    made = config_for(socketio, listeners=[listener])
    made["upstreams"].append({"name": "graphql", "endpoints": [graphql.url]})
    made["routes"].append({"name": "graphql", "match": {"path_prefix": "/graphql"}, "upstream": "graphql"})
    return made


@pytest.mark.deadline(60)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page(lab, scheme):
    real_backends.need(shutil.which("chromium"), "chromium is not installed")
    listener = {"name": "web", "address": "127.0.0.1:0", **({"tls": {"self_signed": True}} if scheme == "https" else {})}
    gateway = lab.gateway_from(
        config(lab.real(real_backends.socketio), lab.real(real_backends.graphql), listener))
    base = f"{scheme}://127.0.0.1:{gateway.port}"
    [page] = lab.node_client("browser/realtime.mjs", base).finish(timeout=50)

    session = page["socketio"].pop("session")
    assert page["socketio"] == {"first": "polling", "client": "websocket", "server": "websocket",
                                "echo": {"text": "\u00e4\u20ac", "size": 100_000, "last": 7}}
    assert page["graphql"] == {"data": [2, 1, 0], "subprotocol": "graphql-transport-ws"}
    sockets = base.replace("http", "ws", 1)
    assert [re.sub(r"\?.*", "", url) for url in page["sockets"]] == [f"{sockets}/socket.io/", f"{sockets}/graphql"]
    assert page["failures"] == []

    # What the page says is what the gateway saw.
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    assert gateway.metric("sluice_websocket_upgrades_total", route="all", result="accepted") == 1
    assert gateway.metric("sluice_websocket_upgrades_total", route="graphql", result="accepted") == 1
    assert gateway.metric("sluice_websocket_bytes_total", route="all", direction="to_client") > 100_000
    gateway.wait_log(2, event="tunnel_close")
    lines = [line for line in gateway.access_log() if session in line["target"]]
    polled = [line for line in lines if line["event"] == "request"]
    assert {line["method"] for line in polled} == {"GET", "POST"} and {line["status"] for line in polled} == {200}
    opened, = (line for line in lines if line["event"] == "tunnel_open")
    assert (opened["version"], opened["status"]) == (("HTTP/2.0", 200) if scheme == "https" else ("HTTP/1.1", 101))
