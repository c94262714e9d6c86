"""`slow_start`: an endpoint that joins gets a share that grows; at the start of the gateway nobody has joined."""

import copy
import time

from support.config_text import config_for
from support.http_message import response_bytes
from support.waiting import wait_until


def named(name, well=lambda: True):
    """A backend that answers with its name, and to health checks as it is told."""
    def script(connection):
        while True:
            request = connection.read_request_head()
            checked = request.target == "/healthz"
            connection.send(response_bytes(200 if not checked or well() else 503, name))
    return script


def share_of(lab, gateway, name, number=200):
    client = lab.client(gateway)
    return sum(client.request().body == name for _ in range(number)) / number


def test_at_the_start_all_are_equal(lab):
    config = config_for(lab.backend(named(b"a")), lab.backend(named(b"b")), upstream={"slow_start": "1h"}, workers=1)
    assert share_of(lab, lab.gateway_from(config), b"b") == 0.5


def test_an_endpoint_that_a_reload_adds_is_spared(lab):
    config = config_for(lab.backend(named(b"a")), upstream={"slow_start": "1h"}, workers=2)
    gateway = lab.gateway_from(config)
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["endpoints"].append(lab.backend(named(b"b")).url)
    gateway.reload(changed)
    assert 0 < share_of(lab, gateway, b"b", 400) < 0.15
    changed["upstreams"][0]["pool"] = {"max_idle": 3}
    gateway.reload(changed)
    assert share_of(lab, gateway, b"b") < 0.15, "another reload does not forget it"
    del changed["upstreams"][0]["slow_start"]
    gateway.reload(changed)
    assert share_of(lab, gateway, b"b") == 0.5


def test_the_share_grows_evenly(lab):
    seconds = 3.0
    config = config_for(lab.backend(named(b"a")), upstream={"slow_start": "3s"}, workers=1)
    gateway = lab.gateway_from(config)
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["endpoints"].append(lab.backend(named(b"b")).url)
    client = lab.client(gateway)
    client.request()
    before = time.monotonic()
    gateway.reload(changed)
    after = time.monotonic()

    def share(since):
        return 0.5 * min(0.1 + 0.9 * since / seconds, 1)

    requests = picked = at_least = at_most = 0
    first_half = None
    while time.monotonic() - after < seconds:
        at_least += share(time.monotonic() - after)
        got = client.request().body
        at_most += share(time.monotonic() - before)
        requests += 1
        picked += got == b"b"
        if first_half is None and time.monotonic() - after > seconds / 2:
            first_half = picked / requests
    slack = 5 * (requests * 0.25) ** 0.5  # five standard deviations at most
    assert at_least - slack < picked < at_most + slack
    assert first_half < picked / requests
    assert share_of(lab, gateway, b"b") == 0.5, "it has its whole share in the end"


def test_an_endpoint_that_is_in_again_is_spared(lab):
    well = []
    ill = lab.backend(named(b"b", lambda: bool(well)))
    check = {"path": "/healthz", "interval": "50ms", "healthy_after": 1}
    config = config_for(lab.backend(named(b"a")), ill, upstream={"slow_start": "1h", "health_check": check}, workers=1)
    gateway = lab.gateway_from(config)

    def healthy():
        return gateway.metric("sluice_upstream_endpoints", upstream="app", state="healthy")

    wait_until(lambda: healthy() == 1, "the first check to fail")
    assert share_of(lab, gateway, b"b") == 0
    well.append(True)
    wait_until(lambda: healthy() == 2, "it to be in again")
    wait_until(lambda: share_of(lab, gateway, b"b") > 0, "the worker to hear of it")
    assert share_of(lab, gateway, b"b", 400) < 0.15
