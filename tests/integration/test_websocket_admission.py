"""Who may open a WebSocket: `origins`, `handshake_rate` and `max_tunnels_per_client`. Whoever may not never reaches the backend."""

import copy
import json
import re
from pathlib import Path

import pytest

from support.config_text import config_for
from support.gateway import run_sluice
from support.http_message import read_response
from support.raw_backend import echo_websocket
from support.raw_client import blind
from support.websocket import BINARY, CLOSE, CONTINUATION, assert_carries, masked, open_websocket, upgrade_bytes

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/public_sockets.yaml"
BEHIND_A_PROXY = [{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]}]


def guarded(lab, listeners=None, **rules):
    """A gateway whose peer speaks for any client, and its backend."""
    backend = lab.backend(echo_websocket)
    return lab.gateway(backend, workers=2, listeners=listeners or BEHIND_A_PROXY, route={"websocket": rules}), backend


def from_address(address):
    return [("X-Forwarded-For", address)]


def from_page(*origins):
    return [("Origin", origin) for origin in origins]


def admitted(lab, gateway, extra=(), **options):
    client = lab.client(gateway)
    open_websocket(client, extra=extra, **options)
    assert_carries(client)
    return client


def refused(lab, gateway, extra=(), **options):
    client = lab.client(gateway)
    client.send(upgrade_bytes(extra=extra, **options))
    response = read_response(client)
    assert response.status != 101
    return response


def reasons(gateway, result):
    return gateway.metric("sluice_websocket_upgrades_total", route="all", result=result)


@pytest.mark.parametrize("origins", [
    ["https://evil.example"], ["null"], [""], ["https://a.example/"], ["http://a.example"], ["https://a.example:8443"],
    ["https://b.example"], ["https://a.example", "https://a.example"], ["https://a.example https://evil.example"],
    ["https://test.example"], ["http://test.example:8080"],
], ids=" and ".join)
def test_pages_of_other_origins_are_refused_before_the_backend(lab, origins):
    gateway, backend = guarded(lab, origins=["https://a.example", "https://*.b.example", "same"])
    response = refused(lab, gateway, from_page(*origins))
    assert response.status == 403 and response.header("Sluice-Error") == "origin_not_allowed"
    assert backend.connections == []
    assert gateway.wait_log()["failure"] == "origin_not_allowed"
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="rejected_origin")
    assert f"origin_not_allowed (Origin {origins[0]})" in gateway.stderr(), "who configures it learns what is missing"


@pytest.mark.parametrize("origin", ["https://a.example", "https://A.EXAMPLE:443", "https://x.y.b.example", "http://test.example"])
def test_pages_that_are_listed_pass(lab, origin):
    gateway, backend = guarded(lab, origins=["https://a.example", "https://*.b.example", "same"])
    admitted(lab, gateway, from_page(origin))
    assert backend.requests[0].header("Origin") == origin, "the backend may check it as well"


def test_who_sends_no_origin_is_no_browser_and_passes(lab):
    gateway, _ = guarded(lab, origins=["https://a.example"])
    admitted(lab, gateway)


def test_plain_requests_are_not_asked_for_their_origin(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, route={"websocket": {"origins": ["https://a.example"]}})
    assert lab.request(gateway, headers=from_page("https://evil.example")).status == 200


def test_same_is_what_a_trusted_proxy_says_that_the_client_asked_for(lab):
    gateway, _ = guarded(lab, origins=["same"])
    asked = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "app.example")]
    admitted(lab, gateway, [*asked, ("Origin", "https://app.example")])
    assert refused(lab, gateway, [*asked, ("Origin", "http://app.example")]).status == 403
    assert refused(lab, gateway, [*asked, ("Origin", "https://test.example")]).status == 403
    stranger, _ = guarded(lab, listeners=[{"name": "web", "address": "127.0.0.1:0"}], origins=["same"])
    assert refused(lab, stranger, [*asked, ("Origin", "https://app.example")]).status == 403, "who is not trusted cannot say so"


def test_explain_tells_of_the_origin():
    def explain(*origin):
        result = run_sluice("explain", "--config", EXAMPLE, "--json", "GET", "wss://app.example:8443/ws", *origin)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    answer = explain("-H", "Origin: https://evil.example")["answer"]
    assert answer["status"] == 403 and "origin" in answer["why"]
    for good in ("https://app.example:8443", "https://x.example.com"):
        assert "forwarded" in explain("-H", f"Origin: {good}")
    text = run_sluice("explain", "--config", EXAMPLE, "GET", "wss://app.example:8443/ws").stdout
    for line in (r"websocket\.origins +same, https://\*\.example\.com, capacitor://localhost", r"handshake_rate +5/s",
                 r"max_tunnels_per_client +50"):
        assert re.search(line, text), (line, text)


def test_a_client_that_comes_too_fast_is_told_when_to_come_back(lab):
    gateway, backend = guarded(lab, handshake_rate="2/h")
    one, other = from_address("192.0.2.1"), from_address("192.0.2.2")
    admitted(lab, gateway, one)
    for _ in range(4):  # on both workers
        response = refused(lab, gateway, one)
        assert response.status == 429 and response.header("Sluice-Error") == "too_many_handshakes"
        assert 1700 < int(response.header("Retry-After")) <= 1800
    admitted(lab, gateway, other)
    assert len(backend.connections) == 2
    gateway.wait_metric("sluice_websocket_upgrades_total", 4, route="all", result="rejected_rate")
    gateway.wait_log(4, failure="too_many_handshakes", client_ip="192.0.2.1", status=429)


def test_a_v6_client_is_its_64(lab):
    gateway, _ = guarded(lab, handshake_rate="2/h")
    admitted(lab, gateway, from_address("2001:db8:0:1::1"))
    assert refused(lab, gateway, from_address("2001:db8:0:1:ffff::2")).status == 429
    admitted(lab, gateway, from_address("2001:db8:0:2::1"))


def test_other_pages_use_up_nothing(lab):
    gateway, _ = guarded(lab, handshake_rate="1/h", origins=["https://a.example"])
    for _ in range(3):
        assert refused(lab, gateway, from_page("https://evil.example")).status == 403
    admitted(lab, gateway, from_page("https://a.example"))


def test_each_client_has_so_many_tunnels_in_the_whole_process(lab):
    gateway, backend = guarded(lab, max_tunnels_per_client=2, max_tunnels=3)
    one, other, third = (from_address(f"192.0.2.{last}") for last in (1, 2, 3))
    clients = [admitted(lab, gateway, one) for _ in range(2)]
    for _ in range(4):  # on both workers
        response = refused(lab, gateway, one)
        assert response.status == 503 and response.header("Sluice-Error") == "too_many_tunnels_of_client"
    admitted(lab, gateway, other)
    assert refused(lab, gateway, third).header("Sluice-Error") == "too_many_tunnels"
    assert len(backend.connections) == 3
    gateway.wait_metric("sluice_websocket_upgrades_total", 4, route="all", result="rejected_client_limit")
    gateway.wait_metric("sluice_websocket_upgrades_total", 1, route="all", result="rejected_limit")
    clients.pop().close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 2)
    admitted(lab, gateway, one)
    assert refused(lab, gateway, one).header("Sluice-Error") == "too_many_tunnels_of_client"


def test_a_handshake_that_comes_to_nothing_gives_its_places_back(lab):
    backend = lab.backend()  # answers 200
    gateway = lab.gateway(backend, route={"websocket": {"max_tunnels_per_client": 1, "max_tunnels": 1}})
    for _ in range(3):
        assert refused(lab, gateway).status == 200
    assert reasons(gateway, "rejected_client_limit") == 0


def test_counts_and_rates_go_on_across_reloads(lab):
    backend = lab.backend(echo_websocket)
    rules = {"max_tunnels_per_client": 2, "handshake_rate": "1/h"}
    config = config_for(backend, workers=2, listeners=BEHIND_A_PROXY, route={"websocket": rules})
    gateway = lab.gateway_from(config)
    one, other = from_address("192.0.2.1"), from_address("192.0.2.2")
    client = admitted(lab, gateway, one)
    changed = copy.deepcopy(config)
    changed["routes"][0]["response_headers"] = {"set": {"X-New": "1"}}
    gateway.reload(changed)
    assert refused(lab, gateway, one).status == 429, "the bucket is as empty as before"
    admitted(lab, gateway, other)
    changed["routes"][0]["websocket"] = {"max_tunnels_per_client": 1}
    gateway.reload(changed)
    assert refused(lab, gateway, one).header("Sluice-Error") == "too_many_tunnels_of_client", "the tunnel from before counts"
    assert_carries(client)
    client.close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 1)
    admitted(lab, gateway, one)
    changed["routes"][0]["websocket"] = {}
    gateway.reload(changed)
    for _ in range(2):
        admitted(lab, gateway, one)


def test_who_has_no_address_is_not_limited(lab, tmp_path):
    listeners = [{"name": "web", "address": f"unix:{tmp_path}/web.sock"}]
    gateway, _ = guarded(lab, listeners=listeners, max_tunnels_per_client=1, handshake_rate="1/h")
    for _ in range(3):
        admitted(lab, gateway)


def start_example(lab, backend, **scaled):
    """With addresses and a backend of the test's; `scaled`: keys with numbers of a test's size."""
    text = EXAMPLE.read_text()
    for written, here in (("0.0.0.0:8443", "127.0.0.1:0"), ("http://127.0.0.1:8001", backend.url), ("127.0.0.1:9901", "127.0.0.1:0")):
        assert written in text
        text = text.replace(written, here)
    for key, value in scaled.items():
        text, found = re.subn(rf"(?m)^( +{key}): .*$", rf"\1: {value}", text)
        assert found == 1, key
    return lab.start(text=text).wait_started(1, True)


def test_the_example_does_what_it_says(lab):
    backend = lab.backend(echo_websocket)
    gateway = start_example(lab, backend)

    def ask(*origins):
        client = lab.client(gateway, tls=blind())
        client.send(upgrade_bytes(extra=from_page(*origins)))
        return client

    def handshake(*origins):
        return read_response(ask(*origins)).status

    assert handshake("https://evil.example") == 403
    assert handshake("https://test.example") == 101
    assert handshake("https://shop.example.com") == 101
    assert handshake("capacitor://localhost") == 101
    statuses = [read_response(client).status for client in [ask() for _ in range(30)]]
    assert set(statuses) == {101, 429}, "five at once, and five more in each second"
    assert len(backend.connections) == 3 + statuses.count(101)


@pytest.mark.parametrize("key, reason", [("max_tunnels_per_client", "too_many_tunnels_of_client"), ("max_tunnels", "too_many_tunnels")])
def test_the_example_counts_tunnels(lab, key, reason):
    gateway = start_example(lab, lab.backend(echo_websocket), **{key: 2})
    for _ in range(2):
        open_websocket(lab.client(gateway, tls=blind()))
    client = lab.client(gateway, tls=blind())
    client.send(upgrade_bytes())
    response = read_response(client)
    assert (response.status, response.header("Sluice-Error")) == (503, reason)


@pytest.mark.parametrize("sent", [masked(BINARY, bytes(256 * 1024 + 1)), masked(BINARY, bytes(256 * 1024), fin=False)
                                  + masked(CONTINUATION, bytes(256 * 1024), fin=False) * 4], ids=["frame", "message"])
def test_the_example_bounds_sizes(lab, sent):
    client = lab.client(start_example(lab, lab.backend(echo_websocket)), tls=blind())
    open_websocket(client)
    client.send_frame(BINARY, bytes(256 * 1024))
    assert len(client.read_frame().payload) == 256 * 1024
    client.send(sent)
    while (frame := client.read_frame()).opcode != CLOSE:
        assert frame.opcode in (BINARY, CONTINUATION)
    assert frame.close_code == 1009


def test_the_example_ends_idle_tunnels(lab):
    client = lab.client(start_example(lab, lab.backend(echo_websocket), idle_timeout="300ms"), tls=blind())
    open_websocket(client)
    assert client.read_frame().close_code == 1001
