"""Active health checks: endpoints that are ill get no requests, whoever finds out first."""

import resource
import threading

import pytest

from support import websocket
from support.config_text import config_for
from support.http_message import response_bytes
from support.raw_backend import echo_websocket
from support.stream import PeerClosed
from support.waiting import seconds, stays, wait_until
from support.websocket import open_websocket, upgrade_bytes

CHECK = {"path": "/healthz?full=1", "interval": "50ms", "timeout": "1s", "healthy_after": 2, "unhealthy_after": 2}


class Doctor:
    """A backend's script: checks get `status`, requests 200."""

    def __init__(self, status=200):
        self.status = status
        self.checks, self.asked = [], 0

    def __call__(self, connection):
        while True:
            request = connection.read_request()
            if request.target.startswith("/healthz"):
                self.checks.append(request)
                connection.send(response_bytes(self.status, b"", [("Connection", "close")]))
                return
            self.asked += 1
            connection.respond()


def state(gateway, name):
    return gateway.metric("sluice_upstream_endpoints", upstream="app", state=name)


def test_an_ill_endpoint_gets_no_requests_until_it_is_well(lab):
    ill, well = Doctor(503), Doctor()
    gateway = lab.gateway(lab.backend(ill), lab.backend(well), workers=2, upstream={"health_check": CHECK})
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    assert len(ill.checks) <= 2, "the first one decides"
    before = ill.asked
    assert {lab.request(gateway).status for _ in range(10)} == {200}
    assert ill.asked == before
    ill.status = 204
    gateway.wait_metric("sluice_upstream_endpoints", 2, upstream="app", state="healthy")
    assert {lab.request(gateway).status for _ in range(20)} == {200}
    assert ill.asked > before
    assert "is unhealthy: 1 check in a row failed, the last one: status 503" in gateway.stderr()
    assert "is healthy again" in gateway.stderr()
    assert gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="failed") >= 1
    assert gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 4


def test_what_is_asked(lab):
    doctor = Doctor()
    backend = lab.backend(doctor)
    lab.gateway(backend, workers=2, upstream={"health_check": {**CHECK, "interval": "10m"}})
    wait_until(lambda: doctor.checks, "the check")
    request = doctor.checks[0]
    assert (request.method, request.target) == ("GET", "/healthz?full=1")
    assert request.header("Host") == backend.authority
    assert request.header("User-Agent") == "sluice-health-check"
    stays(lambda: len(doctor.checks) == 1, "one check for the whole process")


def test_it_takes_several_failures_in_a_row(lab):
    doctor = Doctor()
    gateway = lab.gateway(lab.backend(doctor), lab.backend(Doctor()), upstream={"health_check": {**CHECK, "unhealthy_after": 100}})
    wait_until(lambda: doctor.checks, "a check")
    doctor.status = 500
    failed = {"upstream": "app", "result": "failed"}
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", **failed) > 4, "failures")
    assert state(gateway, "unhealthy") == 0


def test_an_endpoint_that_hangs_is_found_and_panic_uses_it_all_the_same(lab):
    hanging = threading.Event()

    def hang_sometimes(connection):
        while True:
            connection.read_request()
            if hanging.is_set():
                return connection.hang()
            connection.respond()

    backends = [lab.backend(hang_sometimes), lab.backend(Doctor())]
    config = {"health_check": {**CHECK, "timeout": "200ms"}}
    gateway = lab.gateway(*backends, workers=2, upstream=config)
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 2, "checks")
    hanging.set()
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    assert "the last one: no answer in 200ms" in gateway.stderr()
    assert {lab.request(gateway).status for _ in range(10)} == {200}
    backends[1].close()
    gateway.wait_metric("sluice_upstream_panic", 1, upstream="app")
    hanging.clear()
    wait_until(lambda: lab.request(gateway).status == 200, "an answer, healthy or not")
    gateway.wait_metric("sluice_upstream_panic", 0, upstream="app")


def test_of_kind_tcp_a_connection_is_enough(lab):
    def mute(connection):
        connection.hang()

    gateway = lab.gateway(lab.backend(mute), lab.refusing(), workers=1, upstream={
        "health_check": {"kind": "tcp", "interval": "50ms"}})
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    assert state(gateway, "healthy") == 1
    assert "the last one: connect_refused" in gateway.stderr()


def test_https_endpoints_are_verified(lab, ca):
    good, bad = ca.issue("localhost"), ca.issue("other.example")
    doctors = [Doctor(), Doctor()]
    backends = [lab.backend(doctor, tls=shown.server_context()) for shown, doctor in zip((good, bad), doctors)]
    gateway = lab.gateway(*(f"https://localhost:{backend.port}" for backend in backends), workers=1, upstream={
        "health_check": CHECK, "tls": {"ca": str(ca.certificate)}})
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    wait_until(lambda: doctors[0].checks, "the check over TLS")
    assert state(gateway, "healthy") == 1 and not doctors[1].checks
    assert "certificate_rejected" in gateway.stderr()


def test_unix_endpoints_are_asked(lab, tmp_path):
    doctor = Doctor(500)
    gateway = lab.gateway(lab.backend(doctor, host=str(tmp_path / "app.sock")), lab.backend(Doctor()), workers=1,
                          upstream={"health_check": CHECK})
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    assert doctor.checks[0].header("Host") == "localhost"


@pytest.mark.parametrize("answer, problem", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "no valid answer"),
    (b"SSH-2.0-OpenSSH\r\n", "no valid answer"),
    (b"", "closed without an answer"),
    (b"HTTP/1.1 200", "closed without an answer"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 40, "too many 1xx"),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
])
def test_what_is_no_answer(lab, answer, problem):
    def script(connection):
        connection.read_request()
        connection.send(answer)

    gateway = lab.gateway(lab.backend(script), lab.backend(Doctor()), workers=1, upstream={"health_check": CHECK})
    wait_until(lambda: f"the last one: {problem}" in gateway.stderr(), "the reason")


def test_1xx_and_other_statuses_that_are_expected(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + response_bytes(401, b"who?"))

    gateway = lab.gateway(lab.backend(script), workers=1, upstream={"health_check": {**CHECK, "expect": 401}})
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 2, "checks")
    assert state(gateway, "healthy") == 1


def test_checks_follow_a_reload_and_what_is_known_stays(lab):
    ill, well, new = Doctor(503), Doctor(), Doctor(503)
    backends = [lab.backend(doctor) for doctor in (ill, well, new)]
    config = {"listeners": [{"name": "web", "address": "127.0.0.1:0"}], "workers": 2, "admin": {"address": "127.0.0.1:0"},
              "timeouts": {"drain": "500ms"}, "routes": [{"name": "all", "upstream": "app"}],
              "upstreams": [{"name": "app", "endpoints": [backends[0].url, backends[1].url],
                             "health_check": {**CHECK, "interval": "10m"}}]}
    gateway = lab.gateway_from(config)
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    asked = ill.asked
    config["upstreams"][0]["endpoints"].append(backends[2].url)
    config["upstreams"][0]["balance"] = "random_two_choices"
    gateway.reload(config)
    gateway.wait_metric("sluice_upstream_endpoints", 2, upstream="app", state="unhealthy")  # the new one is asked at once
    asked_new = new.asked
    assert {lab.request(gateway).status for _ in range(20)} == {200}
    assert (ill.asked, new.asked, len(ill.checks)) == (asked, asked_new, 1)
    del config["upstreams"][0]["health_check"]
    gateway.reload(config)
    gateway.wait_metric("sluice_upstream_endpoints", 3, upstream="app", state="healthy")
    wait_until(lambda: lab.request(gateway).status == 200 and ill.asked > asked and new.asked > asked_new, "their turns")
    checks = len(well.checks)
    stays(lambda: len(well.checks) == checks, "no checks any more")


@pytest.mark.parametrize("on_unhealthy", ["close", "keep"])
def test_tunnels_of_an_unhealthy_endpoint(lab, on_unhealthy):
    """They are closed politely and spread, or live on; those of the other endpoint live on."""
    ill = threading.Event()

    def script(connection):
        request = connection.read_request_head()
        if request.header("Upgrade"):
            connection.unread(request.head)
            return echo_websocket(connection)
        connection.send(response_bytes(503 if ill.is_set() else 200, b"", [("Connection", "close")]))

    def well(connection):
        request = connection.read_request_head()
        if request.header("Upgrade"):
            connection.unread(request.head)
            return echo_websocket(connection)
        connection.send(response_bytes(200, b"", [("Connection", "close")]))

    backends = [lab.backend(script), lab.backend(well)]
    gateway = lab.gateway(*backends, workers=2, timeouts={"drain": "10s"},
                          route={"websocket": {"drain": {"code": 4321, "over": "1s"}}},
                          upstream={"health_check": CHECK, "on_unhealthy": on_unhealthy, "balance": "least_connections"})
    clients = [lab.client(gateway, timeout=10) for _ in range(12)]
    for client in clients:
        open_websocket(client)
        assert carries(client)
    ill.set()
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    if on_unhealthy == "keep":
        stays(lambda: gateway.metric("sluice_websocket_tunnels_open", route="all") == 12, "all tunnels", 1.2)
        return
    closed = set()
    def told():
        closed.update(client for client in clients if client not in closed and not carries(client))
        return len(closed) >= 6
    wait_until(told, "six to be closed", 3)
    gateway.wait_metric("sluice_websocket_tunnels_open", 6, route="all")
    assert gateway.metric("sluice_websocket_closes_total", route="all", initiator="gateway", code="4xxx") == 6
    for _ in range(3):  # who comes back lives at the other one
        open_websocket(lab.client(gateway))
    gateway.wait_metric("sluice_websocket_tunnels_open", 9, route="all")


def test_a_handshake_from_before_a_reload_hears_that_its_endpoint_goes(lab):
    ill, sign = threading.Event(), threading.Event()

    def script(connection):
        request = connection.read_request_head()
        if not request.header("Upgrade"):
            return connection.send(response_bytes(503 if ill.is_set() else 200, b"", [("Connection", "close")]))
        connection.wait(sign)
        connection.unread(request.head)
        return echo_websocket(connection)

    backend = lab.backend(script)
    upstream = {"health_check": CHECK, "on_unhealthy": "close"}
    config = config_for(backend, workers=1, timeouts={"drain": "10s"}, upstream=upstream,
                        route={"websocket": {"drain": {"code": 4321, "over": "100ms"}}})
    gateway = lab.gateway_from(config)
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="healthy")
    client = lab.client(gateway, timeout=10)
    client.send(upgrade_bytes())
    wait_until(lambda: any(request.header("Upgrade") for request in backend.requests), "the handshake")
    config["upstreams"][0]["pool"] = {"max_idle": 3}
    gateway.reload(config)
    ill.set()
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    sign.set()
    assert client.response().status == 101
    frame = client.read_frame(timeout=5)
    assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 4321)
    client.send_frame(websocket.CLOSE, websocket.close_payload(4321))


def carries(client):
    """Whether a tunnel echoes; if not, it has had its Close, which is answered."""
    try:
        client.send_frame(websocket.TEXT, b"still here?")
        frame = client.read_frame()
    except (PeerClosed, OSError):
        return False
    if frame.opcode == websocket.TEXT:
        return True
    assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 4321)
    client.send_frame(websocket.CLOSE, websocket.close_payload(4321))
    return False


def test_a_check_that_hangs_does_not_hold_up_the_end(lab):
    def mute(connection):
        connection.hang()

    gateway = lab.gateway(lab.backend(mute), workers=1, upstream={"health_check": {**CHECK, "timeout": "1h"}})
    lab.backends[0].connection()
    gateway.signal()
    gateway.wait_exit(seconds(3))


@pytest.mark.parametrize("version, opening", [("v1", b"PROXY UNKNOWN\r\n"), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")])
def test_checks_begin_with_a_proxy_header_for_no_client(lab, version, opening):
    seen = []

    def script(connection):
        seen.append(connection.read_exactly(len(opening)))
        connection.read_request()
        connection.send(response_bytes(200, b"", [("Connection", "close")]))

    gateway = lab.gateway(lab.backend(script), upstream={"health_check": CHECK, "proxy_protocol": version})
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 1, "a check")
    assert set(seen) == {opening}


def test_want_of_descriptors_here_is_not_the_endpoints_illness(lab):
    doctor = Doctor()
    gateway = lab.gateway(lab.backend(doctor), workers=1, upstream={"health_check": {**CHECK, "unhealthy_after": 1}})
    checks = "sluice_upstream_health_checks_total"
    wait_until(lambda: gateway.metric(checks, upstream="app", result="passed") >= 2, "checks")
    limits = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (4, limits[1]))
    asked = len(doctor.checks)
    stays(lambda: "is unhealthy" not in gateway.stderr() and len(doctor.checks) <= asked + 1, "no verdict without descriptors", 0.5)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: len(doctor.checks) > asked + 2, "checks to go on")
    assert state(gateway, "healthy") == 1
    assert gateway.metric(checks, upstream="app", result="failed") == 0
