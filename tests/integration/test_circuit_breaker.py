"""circuit_breaker: what an endpoint may be given at once, all workers together."""

import json
import threading

import pytest

from support.config_text import config_for
from support.gateway import run_sluice
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.waiting import stays, wait_until
from support.websocket import CLOSE, upgrade_bytes, open_websocket

NOTHING_KEPT = {"max_idle": 0}


def breaker(bounds, **keys):
    return {"circuit_breaker": bounds, "pool": NOTHING_KEPT, **keys}


def holding(release):
    """A backend that answers when `release` is set, and at once from then on."""
    def script(connection):
        while True:
            connection.read_request(timeout=60)
            connection.wait(release, 60)
            connection.respond()
    return script


def endpoints(gateway):
    return json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"]


def connections(gateway):
    return [endpoint["connections"] for endpoint in endpoints(gateway)]


def refusals(gateway, bound="max_connections"):
    return gateway.metric("sluice_upstream_full_total", upstream="app", bound=bound)


def assert_refused(response):
    assert (response.status, response.header("Sluice-Error")) == (503, "upstream_full")
    assert int(response.header("Retry-After")) > 0


@pytest.mark.deadline(60)
def test_the_bound_holds_for_all_workers_together(lab):
    release = threading.Event()
    backend = lab.backend(holding(release))
    gateway = lab.gateway(backend, workers=4, upstream=breaker({"max_connections": 10}))
    clients = [lab.client(gateway, timeout=20) for _ in range(200)]
    for client in clients:
        client.send(request_bytes())
    wait_until(lambda: refusals(gateway) == 190, "190 to be refused", 20)
    wait_until(lambda: len(backend.requests) == 10, "the others at the backend", 10)
    assert endpoints(gateway)[0]["full"] == ["max_connections"]
    assert gateway.metric("sluice_upstream_endpoints_full", upstream="app", bound="max_connections") == 1
    assert gateway.metric("sluice_upstream_endpoints_full", upstream="app", bound="max_pending") == 0
    release.set()
    responses = [client.response() for client in clients]
    for response in responses:
        if response.status != 200:
            assert_refused(response)
    assert sum(response.status == 200 for response in responses) == 10
    wait_until(lambda: connections(gateway) == [0], "all places to be given back")
    assert len(backend.connections) == 10
    assert gateway.metric("sluice_upstream_endpoints_full") == 0
    assert gateway.metric("sluice_upstream_failures_total", reason="upstream_full") == 190
    gateway.wait_log(190, failure="upstream_full", status=503)
    assert "circuit_breaker.max_connections of app, 10 each" in gateway.stderr()


def test_another_endpoint_takes_what_one_may_not(lab):
    release = threading.Event()
    first, second = lab.backend(holding(release)), lab.backend(holding(release))
    gateway = lab.gateway(first, second, workers=2,
                          upstream=breaker({"max_connections": 2}, outlier={"consecutive_failures": 1}))
    held = []
    for _ in range(4):
        held.append(lab.client(gateway, timeout=20))
        held[-1].send(request_bytes())
        wait_until(lambda: len(first.requests) + len(second.requests) == len(held), "the request at a backend")
    assert (len(first.connections), len(second.connections)) == (2, 2)
    assert_refused(lab.request(gateway))
    release.set()
    assert [client.response().status for client in held] == [200] * 4
    wait_until(lambda: connections(gateway) == [0, 0], "all places to be given back")
    assert gateway.metric("sluice_upstream_ejections_total") == 0
    assert lab.request(gateway).status == 200


def test_tunnels_count_as_long_as_they_live(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, workers=2, upstream={"circuit_breaker": {"max_connections": 3}})
    tunnels = [lab.client(gateway) for _ in range(3)]
    for client in tunnels:
        open_websocket(client)
    assert connections(gateway) == [3]
    told = run_sluice("status", "--admin", f"127.0.0.1:{gateway.admin_port}").stdout
    assert "3 in flight, 0 idle; at max_connections" in told
    refused = lab.client(gateway)
    refused.send(upgrade_bytes())
    assert_refused(refused.response())
    assert_refused(lab.request(gateway))
    tunnels[0].close()
    wait_until(lambda: connections(gateway) == [2], "a place to be given back")
    open_websocket(lab.client(gateway))
    for client in tunnels[1:]:
        client.send_frame(CLOSE, b"\x03\xe8")
        assert client.read_frame().opcode == CLOSE
        client.close()
    wait_until(lambda: connections(gateway) == [1], "the places of closed tunnels")


def test_a_reload_moves_the_bound(lab):
    backend = lab.backend(echo_websocket)
    config = config_for(backend, workers=2, upstream={"circuit_breaker": {"max_connections": 2}})
    gateway = lab.gateway_from(config)
    tunnels = [lab.client(gateway) for _ in range(2)]
    for client in tunnels:
        open_websocket(client)
    assert_refused(lab.request(gateway))
    config["upstreams"][0]["circuit_breaker"]["max_connections"] = 3
    gateway.reload(config)
    tunnels.append(lab.client(gateway))
    open_websocket(tunnels[2])
    assert connections(gateway) == [3]
    config["upstreams"][0]["circuit_breaker"]["max_connections"] = 1
    gateway.reload(config)
    assert connections(gateway) == [3], "what is open stays open"
    for expected in [2, 1]:
        tunnels.pop().close()
        wait_until(lambda: connections(gateway) == [expected], "a place to be given back")
        assert_refused(lab.request(gateway))
    config["upstreams"][0]["circuit_breaker"]["max_connections"] = "off"
    gateway.reload(config)
    for _ in range(5):
        open_websocket(lab.client(gateway))
    assert connections(gateway) == [6]


def answer_and_stay(connection):
    connection.read_request()
    connection.respond()
    connection.hang()


def test_a_kept_connection_gives_way_to_a_tunnel(lab):
    backend = lab.backend(lambda connection: (echo_websocket if connection.index else answer_and_stay)(connection))
    gateway = lab.gateway(backend, workers=1, upstream={"circuit_breaker": {"max_connections": 1}})
    assert lab.request(gateway).status == 200
    assert connections(gateway) == [1]
    open_websocket(lab.client(gateway))
    assert backend.connections[0].finished.wait(5)
    assert connections(gateway) == [1]


def test_workers_that_keep_connections_make_room_for_others(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, workers=4, upstream={"circuit_breaker": {"max_connections": 1}})
    for _ in range(20):  # each meets some worker
        wait_until(lambda: lab.request(gateway).status == 200, "room to be made")
    assert connections(gateway) == [1]


def test_a_reload_does_not_leave_places_with_what_was_kept(lab):
    backend = lab.backend()
    config = config_for(backend, workers=1, upstream={"circuit_breaker": {"max_connections": 1}})
    gateway = lab.gateway_from(config)
    for limit in ["31s", "32s"]:  # other settings: the upstream starts anew
        assert lab.request(gateway).status == 200
        config["upstreams"][0]["pool"] = {"idle_timeout": limit}
        gateway.reload(config)
        wait_until(lambda: connections(gateway) == [0], "what was kept to be closed")
    assert lab.request(gateway).status == 200


def test_pending_connections_are_bounded(lab):
    hole = lab.black_hole()
    gateway = lab.gateway(hole, workers=1, upstream=breaker({"max_pending": 2}), timeouts={"connect": "60s"})
    waiting = [lab.client(gateway) for _ in range(2)]
    for client in waiting:
        client.send(request_bytes())
    wait_until(lambda: connections(gateway) == [2], "two connections under way")
    assert_refused(lab.request(gateway))
    assert refusals(gateway, "max_pending") == 1
    assert endpoints(gateway)[0]["full"] == ["max_pending"]
    for client in waiting:  # who leaves gives its place back
        client.close()
    wait_until(lambda: connections(gateway) == [0], "all places to be given back")
    assert "full" not in endpoints(gateway)[0]
    lab.client(gateway).send(request_bytes())
    wait_until(lambda: connections(gateway) == [1], "another one to be tried")


def reset_every_other(release):
    def script(connection):
        connection.read_request()
        if connection.index % 2 == 0:
            return connection.reset()
        connection.wait(release, 60)
        connection.respond()
    return script


def retrying(**bounds):
    return breaker(bounds, retries={"attempts": 2, "on": ["connect", "reset"]}, outlier={"consecutive_failures": "off"})


def test_retries_under_way_are_bounded_and_the_first_failure_is_the_answer(lab):
    release = threading.Event()
    backend = lab.backend(reset_every_other(release))
    gateway = lab.gateway(backend, workers=2, upstream=retrying(max_retries=1))
    first = lab.client(gateway, timeout=20)
    first.send(request_bytes())
    wait_until(lambda: len(backend.requests) == 2, "the first request to be repeated")
    refused = lab.request(gateway)
    assert (refused.status, refused.header("Sluice-Error")) == (502, "reset")
    assert refusals(gateway, "max_retries") == 1
    release.set()
    assert first.response().status == 200
    assert lab.request(gateway).status == 200  # the fourth connection, which is not reset
    assert lab.request(gateway).status == 200, "the place among the retries was given back"
    wait_until(lambda: connections(gateway) == [0], "all places to be given back")


def reset_each_once(release):
    """Each request, by its id."""
    seen = set()

    def script(connection):
        request = connection.read_request().header("X-Request-Id")
        if request not in seen:
            seen.add(request)
            return connection.reset()
        connection.wait(release, 60)
        connection.respond()
    return script


def test_retries_of_a_budget_are_not_bounded_unless_it_is_asked_for(lab):
    release = threading.Event()
    backend = lab.backend(reset_each_once(release))
    gateway = lab.gateway(backend, workers=2, upstream=retrying())
    clients = [lab.client(gateway, timeout=20) for _ in range(8)]
    for client in clients:
        client.send(request_bytes())
    wait_until(lambda: len(backend.requests) == 16, "all to be repeated")
    release.set()
    assert [client.response().status for client in clients] == [200] * 8


def test_a_single_place_is_enough_for_a_retry(lab):
    release = threading.Event()
    release.set()
    backend = lab.backend(reset_every_other(release))
    gateway = lab.gateway(backend, workers=1, upstream=retrying(max_connections=1, max_pending=1, max_retries=1))
    for _ in range(5):
        assert lab.request(gateway).status == 200
    wait_until(lambda: connections(gateway) == [0], "the place to be given back")


def test_whatever_fails_gives_its_places_back(lab):
    refusing, hole = lab.refusing(), lab.black_hole()
    gateway = lab.gateway(refusing, hole, workers=2, timeouts={"connect": "200ms"},
                          upstream=breaker({"max_connections": 4, "max_pending": 4, "max_retries": 4},
                                           outlier={"consecutive_failures": "off"}))
    for round_number in range(3):
        clients = [lab.client(gateway) for _ in range(4)]
        for client in clients:
            client.send(request_bytes())
        for client in clients[2:]:
            client.close()
        for client in clients[:2]:
            assert client.response().status in (502, 503, 504)
        wait_until(lambda: connections(gateway) == [0, 0], f"round {round_number}: all places to be given back")
    assert gateway.metric("sluice_upstream_endpoints_full") == 0


def test_checks_of_health_take_no_places(lab):
    release = threading.Event()
    backend = lab.backend(lambda connection: serve_checks(connection, release))
    check = {"path": "/healthz", "interval": "50ms", "unhealthy_after": 1}
    gateway = lab.gateway(backend, workers=1, upstream=breaker({"max_connections": 1}, health_check=check))
    held = lab.client(gateway, timeout=20)
    held.send(request_bytes())
    before = gateway.metric("sluice_upstream_health_checks_total", result="passed")
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", result="passed") > before + 2, "checks to pass")
    stays(lambda: connections(gateway) == [1], "one connection", 0.2)
    assert endpoints(gateway)[0]["state"] == "in"
    release.set()
    assert held.response().status == 200


def serve_checks(connection, release):
    request = connection.read_request()
    if request.target != "/healthz":
        connection.wait(release, 60)
    connection.respond(headers=[("Connection", "close")])
