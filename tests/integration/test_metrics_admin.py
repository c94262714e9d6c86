"""The admin listener: metrics, health, who may ask."""

import time

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.http_message import read_response, request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import RawClient
from support.waiting import seconds
from support.websocket import open_websocket

PLACES = 64  # of the admin listener
EXPECTED = {
    "sluice_requests_total": "counter",
    "sluice_request_duration_seconds": "histogram",
    "sluice_upstream_connect_seconds": "histogram",
    "sluice_upstream_response_seconds": "histogram",
    "sluice_upstream_pool_hits_total": "counter",
    "sluice_upstream_pool_misses_total": "counter",
    "sluice_upstream_connections_open": "gauge",
    "sluice_upstream_connections_idle": "gauge",
    "sluice_upstream_http2_streams_open": "gauge",
    "sluice_upstream_http2_tunnels_open": "gauge",
    "sluice_upstream_retries_total": "counter",
    "sluice_upstream_failures_total": "counter",
    "sluice_upstream_sent_bytes_total": "counter",
    "sluice_upstream_received_bytes_total": "counter",
    "sluice_connections_accepted_total": "counter",
    "sluice_connections_open": "gauge",
    "sluice_connections_refused_total": "counter",
    "sluice_client_timeouts_total": "counter",
    "sluice_parse_errors_total": "counter",
    "sluice_tls_handshakes_total": "counter",
    "sluice_websocket_upgrades_total": "counter",
    "sluice_websocket_tunnels_open": "gauge",
    "sluice_websocket_tunnel_duration_seconds": "histogram",
    "sluice_websocket_frames_total": "counter",
    "sluice_websocket_bytes_total": "counter",
    "sluice_websocket_closes_total": "counter",
    "sluice_event_loop_lag_seconds": "histogram",
}


def test_the_families_and_their_types(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    open_websocket(lab.client(gateway))
    types = gateway.metrics().types
    assert {name: types.get(name) for name in EXPECTED} == EXPECTED


def test_names_follow_the_conventions(lab):
    metrics = lab.gateway(lab.backend()).metrics()
    for name, kind in metrics.types.items():
        if name.startswith("sluice_"):
            assert (kind == "counter") == name.endswith("_total"), name
            assert f"# HELP {name} " in metrics.text


def test_content_type(lab):
    response = lab.gateway(lab.backend()).admin("/metrics")
    assert response.header("Content-Type").startswith("text/plain; version=0.0.4")


def test_requests_are_counted_by_route_method_and_class(lab):
    gateway = lab.gateway(lab.backend(), workers=2)
    for method in ("GET", "GET", "POST", "PROPFIND"):
        lab.request(gateway, method)
    gateway.wait_metric("sluice_requests_total", 4, route="all")
    metrics = gateway.metrics()
    assert metrics.value("sluice_requests_total", route="all", method="GET", status="2xx") == 2
    assert metrics.value("sluice_requests_total", route="all", method="other", status="2xx") == 1
    assert metrics.value("sluice_request_duration_seconds_count", route="all") == 4
    assert metrics.value("sluice_upstream_response_seconds_count", upstream="app") == 4
    assert 1 <= metrics.value("sluice_upstream_connect_seconds_count", upstream="app") <= 4


def test_histograms_are_cumulative(lab):
    gateway = lab.gateway(lab.backend())
    lab.request(gateway)
    gateway.wait_metric("sluice_request_duration_seconds_count", 1, route="all")
    metrics = gateway.metrics()
    buckets = sorted((float(labels["le"]), value) for name, labels, value in metrics.samples
                     if name == "sluice_request_duration_seconds_bucket" and labels["route"] == "all")
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    assert buckets[-1] == (float("inf"), 1)


def test_label_values_never_come_from_clients(lab):
    gateway = lab.gateway(lab.backend())
    client = lab.client(gateway)
    for number in range(5):
        client.request(f"EVIL{number}", f"/evil{number}", [("X-Evil", f"evil{number}")], host=f"evil{number}.example")
    gateway.wait_metric("sluice_requests_total", 5)
    assert "evil" not in gateway.metrics().text.lower()


def test_body_bytes_each_way(lab):
    gateway = lab.gateway(lab.backend(lambda peer: (peer.read_request(), peer.respond(body=bytes(5000)))))
    lab.request(gateway, "POST", body=bytes(3000))
    gateway.wait_metric("sluice_requests_total", 1, route="all")
    assert gateway.metric("sluice_client_received_bytes_total", route="all") == 3000
    assert gateway.metric("sluice_client_sent_bytes_total", route="all") == 5000


def test_health_and_readiness(lab):
    gateway = lab.gateway(lab.backend())
    for path in ("/healthz", "/readyz"):
        assert gateway.admin(path).status == 200


def test_unknown_admin_paths_are_404(lab):
    assert lab.gateway(lab.backend()).admin("/nothing").status == 404


def test_the_token(lab):
    gateway = lab.gateway(lab.backend(), admin={"token": "s3cret-token"})
    for path in ("/healthz", "/readyz"):
        assert gateway.admin(path).status == 200, "these never need it"
    for headers in ([], [("Authorization", "Bearer wrong")], [("Authorization", "Basic s3cret-token")],
                    [("Authorization", "Bearer s3cret-toke")], [("Authorization", "Bearer s3cret-token2")]):
        assert gateway.admin("/metrics", headers).status == 401
    assert gateway.admin("/metrics", [("Authorization", "Bearer s3cret-token")]).status == 200


def test_a_token_is_required_unless_loopback(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", admin={"address": "0.0.0.0:0"})) + "\n")
    result = run_sluice("check", "--config", file)
    assert result.returncode == 1
    assert "admin.token" in result.stderr


@pytest.mark.parametrize("host,headers", [
    ("evil.example", []), ("evil.example:80", []), ("127.0.0.1.evil.example", []),
    (None, [("Origin", "http://evil.example")]), (None, [("Origin", "null")]),
])
def test_a_foreign_host_or_origin_is_refused(lab, host, headers):
    """A page in a browser must not reach the admin listener by rebinding a name to loopback."""
    response = lab.gateway(lab.backend()).admin("/metrics", headers, host=host)
    assert response.status in (403, 421)


@pytest.mark.parametrize("method", ["POST", "DELETE", "CONNECT"])
def test_metrics_are_only_read(lab, method):
    gateway = lab.gateway(lab.backend())
    client = RawClient(gateway.admin_port)
    lab.clients.append(client)
    client.send(request_bytes(method, "/metrics", host=f"127.0.0.1:{gateway.admin_port}"))
    assert read_response(client, method).status in (400, 405, 501)
    assert gateway.admin("/healthz").status == 200


def test_a_silent_admin_client_does_not_block_the_others(lab):
    gateway = lab.gateway(lab.backend())
    silent = [RawClient(gateway.admin_port) for _ in range(20)]
    lab.clients.extend(silent)
    silent[0].send(b"GET /metr")
    assert gateway.admin("/metrics").status == 200


def test_silent_admin_clients_in_numbers_give_up_their_places(lab):
    """A probe must be answered while more connections than the admin listener has places ask nothing."""
    gateway = lab.gateway(lab.backend())
    lab.clients.extend(RawClient(gateway.admin_port) for _ in range(200))
    started = time.monotonic()
    assert gateway.admin("/healthz").status == 200
    assert time.monotonic() - started < seconds(2), "the places are only given up when their time is over"


def test_admin_clients_that_leave_their_connections_open_give_up_their_places(lab):
    """Whoever has an answer lingers until the client closes. That takes descriptors, which web clients may need."""
    gateway = lab.gateway(lab.backend())
    before = gateway.descriptors()
    for _ in range(300):
        client = RawClient(gateway.admin_port)
        lab.clients.append(client)
        client.send(request_bytes("GET", "/metrics", host="evil.example"))
        assert client.response().status == 403
    assert gateway.descriptors() - before <= PLACES
    started = time.monotonic()
    assert gateway.admin("/metrics").status == 200
    assert time.monotonic() - started < seconds(2), "the places are only given up when their time is over"


def test_no_admin_listener_unless_asked(lab):
    config = config_for(lab.backend())
    del config["admin"]
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).status == 200
    assert "admin on" not in gateway.stderr()
