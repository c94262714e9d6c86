"""Endpoints that fail: they are left out for a while, and come back."""

import threading

from support.http_message import response_bytes
from support.raw_backend import RawBackend, answer_ok
from support.waiting import seconds, stays, wait_until


def counts(*backends):
    return [len(backend.requests) for backend in backends]


def switched(answers):
    """A backend that answers while `answers` is set and resets each connection otherwise."""
    def script(connection):
        while True:
            connection.read_request()
            if not answers.is_set():
                return connection.reset()
            connection.send(response_bytes(200, b"ok", [("Connection", "close")]))
    return script


class Crowd:
    """Clients that ask again and again, each on a connection of its own; what was not 200 is kept."""

    def __init__(self, lab, gateway, number, method="GET"):
        self.wrong, self.done, self.stop = [], 0, threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(lab, gateway, method)) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _ask(self, lab, gateway, method):
        client = lab.client(gateway, timeout=10)
        while not self.stop.is_set():
            response = client.request(method, "/")
            with self._lock:
                self.done += 1
                if response.status != 200:
                    self.wrong.append((response.status, response.header("Sluice-Error")))

    def wait_for(self, more):
        aim = self.done + more
        wait_until(lambda: self.done >= aim, "requests to be answered", 10)

    def end(self):
        self.stop.set()
        for thread in self._threads:
            thread.join(seconds(10))
        return self.wrong


def test_killing_one_of_three_fails_nothing(lab):
    backends = [lab.backend() for _ in range(3)]
    gateway = lab.gateway(*backends, workers=2, upstream={"retries": {"attempts": 3, "on": ["connect", "reset"]}})
    crowd = Crowd(lab, gateway, 16)
    crowd.wait_for(300)
    backends[1].close()
    crowd.wait_for(600)
    assert crowd.end() == []
    gateway.wait_metric("sluice_upstream_ejections_total", 1, upstream="app")
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 1
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="healthy") == 2
    assert "is ejected for 30s: 5 failures in a row, the last one" in gateway.stderr()


def test_an_ejected_endpoint_gets_nothing_and_comes_back(lab):
    answers = threading.Event()
    ill = lab.backend(switched(answers))
    well = lab.backend()
    gateway = lab.gateway(ill, well, workers=2, upstream={
        "outlier": {"consecutive_failures": 3, "eject_for": "1s"}, "retries": {"on": ["connect", "reset"]}})
    assert {lab.request(gateway).status for _ in range(12)} == {200}
    gateway.wait_metric("sluice_upstream_ejections_total", 1, upstream="app")
    before = counts(ill)
    assert {lab.request(gateway).status for _ in range(10)} == {200}
    assert counts(ill) == before
    gateway.wait_metric("sluice_upstream_endpoints", 2, upstream="app", state="healthy")
    # On probation: the first failure is enough.
    wait_until(lambda: lab.request(gateway).status == 200 and counts(ill) == [before[0] + 1], "its turn")
    gateway.wait_metric("sluice_upstream_ejections_total", 2, upstream="app")
    answers.set()
    gateway.wait_metric("sluice_upstream_endpoints", 2, upstream="app", state="healthy")
    was = counts(ill)[0]
    assert {lab.request(gateway).status for _ in range(20)} == {200}
    assert counts(ill)[0] >= was + 5
    assert gateway.metric("sluice_upstream_ejections_total", upstream="app") == 2
    assert gateway.stderr().count("is ejected for 1s") == 2
    assert gateway.stderr().count("is tried again after its ejection") == 2


def test_all_endpoints_down_is_a_clear_answer_and_recovers(lab):
    answers = threading.Event()
    backends = [lab.backend(switched(answers)) for _ in range(3)]
    gateway = lab.gateway(*backends, workers=2, upstream={
        "outlier": {"consecutive_failures": 2, "eject_for": "10m", "max_ejected": "100%"}})
    def all_out():
        response = lab.request(gateway)
        assert (response.status, response.header("Sluice-Error")) == (502, "reset")
        return gateway.metric("sluice_upstream_panic", upstream="app") == 1
    wait_until(all_out, "the panic", 10)
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 3
    before = counts(*backends)
    for _ in range(12):
        assert lab.request(gateway).status == 502
    assert all(now > was for was, now in zip(before, counts(*backends))), "all of them are tried"
    answers.set()
    assert {lab.request(gateway).status for _ in range(12)} == {200}
    assert "all 3 endpoints are out" in gateway.stderr()


def test_no_more_than_the_share_is_ejected(lab):
    down = threading.Event()
    backends = [lab.backend(switched(down)) for _ in range(3)]
    gateway = lab.gateway(*backends, workers=2, upstream={"outlier": {"consecutive_failures": 2, "max_ejected": "50%"}})
    wait_until(lambda: lab.request(gateway).status == 502 and "but stays in" in gateway.stderr(), "the limit to be told", 10)
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 1
    assert gateway.metric("sluice_upstream_panic", upstream="app") == 0


def test_what_clients_can_provoke_ejects_nothing(lab):
    def errors(connection):
        while True:
            connection.read_request()
            connection.respond(503, b"no")

    backends = [lab.backend(errors), lab.backend(errors)]
    gateway = lab.gateway(*backends, workers=1, upstream={"outlier": {"consecutive_failures": 1}})
    assert {lab.request(gateway).status for _ in range(10)} == {503}
    for _ in range(4):
        leaving = lab.client(gateway)
        leaving.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        leaving.close()
    stays(lambda: gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 0, "none is ejected")


def test_an_ejection_outlives_a_reload_and_ends_with_the_endpoint(lab):
    dead, alive = lab.refusing(), lab.backend()
    config = {"listeners": [{"name": "web", "address": "127.0.0.1:0"}], "workers": 2, "admin": {"address": "127.0.0.1:0"},
              "upstreams": [{"name": "app", "endpoints": [dead.url, alive.url],
                             "outlier": {"consecutive_failures": 2, "eject_for": "10m"}}],
              "routes": [{"name": "all", "upstream": "app"}], "timeouts": {"drain": "500ms"}}
    gateway = lab.gateway_from(config)
    wait_until(lambda: lab.request(gateway).status == 200 and
               gateway.metric("sluice_upstream_ejections_total", upstream="app") == 1, "the ejection")
    config["upstreams"][0]["balance"] = "least_connections"  # no cluster goes on
    gateway.reload(config)
    refused = gateway.metric("sluice_upstream_failures_total", upstream="app", reason="connect_refused")
    assert {lab.request(gateway).status for _ in range(10)} == {200}
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason="connect_refused") == refused
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 1
    del config["upstreams"][0]["outlier"]
    config["upstreams"][0]["outlier"] = {"consecutive_failures": "off"}
    gateway.reload(config)
    gateway.wait_metric("sluice_upstream_endpoints", 0, upstream="app", state="ejected")
    wait_until(lambda: lab.request(gateway).status == 200 and
               gateway.metric("sluice_upstream_failures_total", upstream="app", reason="connect_refused") > refused + 4,
               "it to have its turns again")
    assert gateway.metric("sluice_upstream_ejections_total", upstream="app") == 1


def test_a_flapping_endpoint_costs_nothing_but_retries(lab):
    flapping = lab.backend()
    port = flapping.port
    gateway = lab.gateway(flapping, lab.backend(), workers=2, upstream={
        "outlier": {"consecutive_failures": 2, "eject_for": "100ms"}, "retries": {"on": ["connect", "reset"]}})
    crowd = Crowd(lab, gateway, 8)
    for turn in range(4):
        crowd.wait_for(100)
        flapping.close()
        wait_until(lambda: gateway.metric("sluice_upstream_ejections_total", upstream="app") > turn, "its ejection", 10)
        flapping = lab.keep(RawBackend(answer_ok, port=port))
        wait_until(lambda: flapping.requests, "it to be tried again", 10)
    assert crowd.end() == []


def test_an_endpoint_that_is_out_already_is_not_said_to_stay_in(lab):
    check = {"path": "/", "interval": "50ms", "timeout": "1s"}
    gateway = lab.gateway(lab.refusing(), lab.refusing(), workers=1, upstream={"health_check": check, "outlier": {"consecutive_failures": 1}})
    gateway.wait_metric("sluice_upstream_endpoints", 2, upstream="app", state="unhealthy")
    assert {lab.request(gateway).status for _ in range(6)} == {502}
    stays(lambda: "but stays in" not in gateway.stderr(), "nothing is said", 0.5)
