"""deploy/examples/fan_in.yaml in front of the server of docs/backends/node-http2.md, as both are written."""

import re

from support.binary import ROOT
from support.fan_in import TUNNELS
from support.guide import Guide
from support.http2_client import Http2Client
from support.http2_websocket import open_websocket as open_on_stream
from support.raw_client import blind
from support.websocket import assert_carries, open_websocket

EXAMPLE = ROOT / "deploy/examples/fan_in.yaml"
ORIGIN = [("Origin", "https://localhost:8443")]


def start_application(lab, name):
    folder = lab.folder / name
    folder.mkdir()
    return lab.keep(Guide("node-http2").start_application(folder, 0))


def start_example(lab, app, following, **scaled):
    """With addresses of the test's and one worker; `scaled`: keys with values of a test's size."""
    text = "workers: 1\n" + EXAMPLE.read_text()
    for written, here in (("0.0.0.0:8443", "127.0.0.1:0"), ("http://127.0.0.1:8000", app.url), ("http://127.0.0.1:8001", following.url),
                          ("127.0.0.1:9901", "127.0.0.1:0"), ("10%", "100%")):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    for key, value in scaled.items():
        text, found = re.subn(rf"(?m)^( +{key}): .*$", rf"\1: {value}", text)
        assert found == 1, key
    return lab.start(text=text).wait_started(1, True)


def test_websockets_requests_and_copies_over_http2(lab):
    gateway = start_example(lab, start_application(lab, "app"), start_application(lab, "next"), tunnels_per_connection=5)
    own = [lab.client(gateway, tls=blind()) for _ in range(6)]
    for client in own:
        open_websocket(client, extra=ORIGIN)
    agrees = blind()
    agrees.set_alpn_protocols(["h2"])
    shared = Http2Client.to(gateway.port, tls=agrees)
    lab.clients.append(shared)
    streams = [open_on_stream(shared, extra=ORIGIN) for _ in range(6)]
    for websocket in own + streams:
        assert_carries(websocket)
    assert gateway.metric(TUNNELS, upstream="app") == 12
    assert gateway.metric("sluice_upstream_connections_open", upstream="app") == 3

    response = lab.client(gateway, tls=blind()).request("GET", "/whoami")
    assert (response.status, response.header("Via")) == (200, "2.0 sluice")
    assert gateway.metric("sluice_upstream_connections_open", upstream="app") == 3, "the request shares one of them"
    gateway.wait_metric("sluice_mirror_requests_total", 1, route="everything", result="answered")
    assert gateway.metric("sluice_upstream_connections_open", upstream="next") == 1
