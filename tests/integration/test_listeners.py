"""Listeners: addresses, connection limits, descriptors."""

import subprocess
import time

import pytest

from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.stream import PeerClosed
from support.waiting import wait_until
from support.websocket import open_websocket


def listener(address, name="web", **more):
    return {"name": name, "address": address, **more}


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"])
def test_addresses(lab, address):
    gateway = lab.gateway(lab.backend(), listeners=[listener(address)])
    assert lab.request(gateway).status == 200


def test_any_v6_is_v6_only(lab):
    gateway = lab.gateway(lab.backend(), listeners=[listener("[::]:0")])
    gateway.hosts["web"] = "::1"
    assert lab.request(gateway).status == 200
    gateway.hosts["web"] = "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        lab.client(gateway)


def test_client_addresses_reach_the_backend(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener("[::1]:0", "six"), listener("127.0.0.1:0", "four")])
    lab.client(gateway, "six").request()
    lab.client(gateway, "four").request()
    six, four = backend.requests
    assert six.header("X-Forwarded-For") == "::1" and 'for="[::1]"' in six.header("Forwarded")
    assert four.header("X-Forwarded-For") == "127.0.0.1"


def test_v6_backend(lab):
    backend = lab.backend(host="::1")
    assert lab.request(lab.gateway(backend)).status == 200


def test_several_workers_share_a_port(lab):
    gateway = lab.gateway(lab.backend(), workers=2)
    clients = [lab.client(gateway) for _ in range(40)]
    for client in clients:
        assert client.request().status == 200
    metrics = gateway.metrics()
    workers = metrics.labels("sluice_connections_accepted_total", "worker")
    assert len(workers) == 2
    assert metrics.value("sluice_connections_open") >= 40
    for worker in workers:
        assert metrics.value("sluice_connections_accepted_total", worker=worker) > 0


def test_max_connections(lab):
    gateway = lab.gateway(lab.backend(), limits={"max_connections": 5}, workers=2)
    clients = [lab.client(gateway) for _ in range(5)]
    for client in clients:
        assert client.request().status == 200
    surplus = lab.client(gateway)
    with pytest.raises(PeerClosed):
        surplus.request()
    gateway.wait_metric("sluice_connections_refused_total", 1, reason="max_connections")
    assert clients[0].request().status == 200, "the others are left alone"

    clients.pop().close()
    gateway.wait_metric("sluice_connections_open", 4)
    assert lab.request(gateway).status == 200


def test_max_connections_per_client(lab):
    """All workers and listeners together; others are served."""
    gateway = lab.gateway(lab.backend(), workers=2, limits={"max_connections_per_client": 3},
                          listeners=[listener("127.0.0.1:0"), listener("127.0.0.1:0", "other"), listener("[::1]:0", "six")])
    clients = [lab.client(gateway, name) for name in ("web", "other", "web")]
    for client in clients:
        assert client.request().status == 200
    for name in ("web", "other"):
        with pytest.raises(PeerClosed):
            lab.client(gateway, name).request()
    gateway.wait_metric("sluice_connections_refused_total", 2, reason="max_connections_per_client")
    assert gateway.metric("sluice_connections_refused_total", reason="max_connections") == 0
    assert clients[0].request().status == 200, "the open ones are left alone"
    assert lab.client(gateway, "six").request().status == 200, "another client"

    clients.pop().close()
    gateway.wait_metric("sluice_connections_open", 3)
    assert lab.request(gateway).status == 200


def test_max_connections_per_client_counts_tunnels(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), limits={"max_connections_per_client": 2})
    tunnels = [lab.client(gateway) for _ in range(2)]
    for tunnel in tunnels:
        open_websocket(tunnel)
    with pytest.raises(PeerClosed):
        lab.client(gateway).request()
    tunnels[0].close()
    gateway.wait_metric("sluice_connections_open", 1)
    open_websocket(lab.client(gateway))


def test_max_connections_per_client_exempts_trusted_proxies(lab):
    gateway = lab.gateway(lab.backend(), limits={"max_connections_per_client": 2},
                          listeners=[listener("127.0.0.1:0", trusted_proxies=["127.0.0.1"])])
    clients = [lab.client(gateway) for _ in range(5)]
    for client in clients:
        assert client.request(headers=[("X-Forwarded-For", "192.0.2.1")]).status == 200
    assert gateway.metric("sluice_connections_refused_total", reason="max_connections_per_client") == 0


def limits_of(gateway):
    for line in open(f"/proc/{gateway.pid}/limits", encoding="ascii"):
        if line.startswith("Max open files"):
            return [int(value) for value in line.split()[3:5]]
    raise AssertionError("no such limit")


def test_the_soft_descriptor_limit_is_raised(lab):
    gateway = lab.gateway_from(config_for(lab.backend()), wrapper=["prlimit", "--nofile=128:4096"])
    assert limits_of(gateway) == [4096, 4096]


def test_max_connections_is_capped_to_what_descriptors_allow(lab):
    gateway = lab.gateway_from(config_for(lab.backend()), wrapper=["prlimit", "--nofile=96:96"])
    assert "max_connections" in gateway.stderr(), "a warning that the limit was capped"
    assert lab.request(gateway).status == 200


def test_running_out_of_descriptors_neither_spins_nor_stops_service(lab):
    """More clients than descriptors: those who do not fit wait, and the rest is served."""
    gateway = lab.gateway(lab.backend())
    # Behind its back: at start it would have lowered max_connections instead.
    subprocess.run(["prlimit", "--pid", str(gateway.pid), "--nofile=96:96"], check=True)
    first = lab.client(gateway)
    assert first.request().status == 200
    clients = [lab.client(gateway) for _ in range(150)]
    before, started = gateway.cpu_seconds(), time.monotonic()
    while time.monotonic() - started < 0.5:  # a measuring interval
        assert first.request().status == 200
        time.sleep(0.05)
    assert "no descriptors left" in gateway.stderr()
    assert gateway.cpu_seconds() - before < 0.3, "the accept loop spins"
    for client in clients:
        client.close()
    wait_until(lambda: lab.request(gateway).status == 200, "service after the flood")
    assert gateway.metric("sluice_accept_pauses_total") >= 1


def test_descriptors_are_given_back(lab):
    gateway = lab.gateway(lab.backend())
    lab.request(gateway)
    wait_until(lambda: gateway.metric("sluice_connections_open") == 0, "an idle gateway")
    before = gateway.descriptors()
    for _ in range(30):
        assert lab.request(gateway).status == 200
    # One pooled connection may stay per worker.
    wait_until(lambda: gateway.descriptors() <= before + 2,
               lambda: f"{gateway.descriptors()} descriptors, {before} before")
