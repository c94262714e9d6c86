"""Reloads and replacements in quick succession under load: nothing is lost, doubled or refused."""

import asyncio
import copy
import signal
import threading
import time

import pytest

from support import websocket
from support.binary import is_sanitized
from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.soak_load import Load, soak_seconds
from support.waiting import seconds, wait_until
from support.websocket import open_websocket

RELOAD_EVERY = 0.1
REPLACE_EVERY = 10.0


class Disturbance(threading.Thread):
    """Reloads every 100 ms, each with other routes and listeners; at times replaces the process. Ends by itself."""

    def __init__(self, gateway, config, lasts, replace_every):
        super().__init__()
        self.gateway, self.config = gateway, config
        self.ends = time.monotonic() + lasts
        self.replace_every = replace_every
        self.reloads = self.replacements = 0
        self.failure = None

    def run(self):
        try:
            next_replacement = time.monotonic() + self.replace_every
            while time.monotonic() < self.ends:
                began = time.monotonic()
                if began >= next_replacement:
                    self.gateway.replace(timeout=60)
                    self.replacements += 1
                    next_replacement += self.replace_every
                self.gateway.rewrite(self.changed())
                self.gateway.signal(signal.SIGHUP)
                self.reloads += 1
                time.sleep(max(0.0, RELOAD_EVERY - (time.monotonic() - began)))  # the pace of the disturbance, no waiting for it
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def changed(self):
        config = copy.deepcopy(self.config)
        config["routes"].append({"name": f"extra{self.reloads % 7}", "match": {"path": f"/extra{self.reloads % 5}"},
                                 "respond": {"status": 200}})
        if self.reloads % 3:
            config["listeners"].append({"name": "more", "address": "127.0.0.1:0"})
        return config


async def soak(lab, load, lasts, replace_every):
    echo, answer = await load.start_backends()
    config = config_for(f"http://127.0.0.1:{answer}", workers=2, timeouts={"drain": "9s"})
    config["upstreams"].append({"name": "sockets", "endpoints": [f"http://127.0.0.1:{echo}"]})
    config["routes"].append({"name": "ws", "match": {"path_prefix": "/ws"}, "upstream": "sockets",
                             "websocket": {"drain": {"over": "4s"}}})
    gateway = lab.gateway_from(config)
    load.port = gateway.port
    running = asyncio.create_task(load.run())
    for _ in range(load.tunnels):
        await asyncio.wait_for(load.connected.acquire(), seconds(60))
    disturbance = Disturbance(gateway, config, lasts, replace_every)
    disturbance.start()
    while disturbance.is_alive() and not load.failures:
        await asyncio.sleep(0.05)  # lets the load run
    disturbance.ends = 0
    load.stopping.set()
    await asyncio.wait_for(running, seconds(60))
    disturbance.join()
    await load.stop_backends()
    assert disturbance.failure is None, disturbance.failure
    assert not load.failures, load.failures[:5]
    return gateway, disturbance


@pytest.mark.slow
@pytest.mark.deadline(300)
def test_reloads_and_replacements_under_load(lab):
    async def run():
        load = Load(tunnels=100 if is_sanitized() and soak_seconds() < 60 else 500, requesters=16, pause=0.5)
        gateway, disturbance = await soak(lab, load, soak_seconds(), min(REPLACE_EVERY, soak_seconds() / 2))
        return gateway, disturbance, load

    gateway, disturbance, load = asyncio.run(run())
    for process in gateway.predecessors:
        assert process.wait(seconds(20)) == 0
    told = (f"{load.messages} messages, {load.requests} requests ({load.stale} repeated on a new connection), "
            f"{disturbance.reloads} reloads, {disturbance.replacements} replacements, {load.polite_closes} polite closes")
    print(told)
    assert disturbance.replacements >= 1 and disturbance.reloads > 5 * disturbance.replacements, told
    assert load.messages > load.tunnels and load.requests > 100, told
    assert load.polite_closes <= load.tunnels * disturbance.replacements, told
    assert "cutting" not in gateway.stderr()
    assert gateway.metric("sluice_requests_total", route="all", status="5xx") == 0
    assert gateway.metric("sluice_config_reloads_total", result="failed") == 0


@pytest.mark.slow
@pytest.mark.deadline(300)
def test_tunnels_of_an_unchanged_route_live_through_a_thousand_reloads(lab):
    reloads, stay_count, go_count = (200, 50, 20) if is_sanitized() else (1000, 200, 20)
    backend = lab.backend(echo_websocket)
    config = config_for(backend, workers=2, timeouts={"drain": "10s"})
    config["routes"] += [{"name": "gone", "match": {"path": "/gone"}, "upstream": "app", "websocket": {"drain": {"over": "2s"}}},
                         {"name": "other", "match": {"path": "/other"}, "respond": {"status": 200}}]
    gateway = lab.gateway_from(config)

    def tunnel(target):
        client = lab.client(gateway, timeout=30)
        open_websocket(client, target)
        return client

    stay, go = [tunnel("/") for _ in range(stay_count)], [tunnel("/gone") for _ in range(go_count)]
    del config["routes"][1]
    resident = None
    began = time.monotonic()
    for number in range(1, reloads + 1):
        config["routes"][1]["response_headers"] = {"set": {"X-Number": str(number)}}
        gateway.reload(config)
        if number == 1:
            for client in go:
                frame = client.read_frame(timeout=5)
                assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 1012)
                client.send_frame(websocket.CLOSE, websocket.close_payload(1012))
                client.expect_closed()
            assert time.monotonic() - began < seconds(4)
        if number == reloads // 10:
            resident = gateway.rss_mib()
    grown = gateway.rss_mib() - resident
    print(f"{reloads} reloads; resident memory grew by {grown:.2f} MiB from number {reloads // 10} to the last")
    assert is_sanitized() or grown < 1
    for client in stay:
        client.send_frame(websocket.TEXT, b"still here?")
        assert client.read_frame().payload == b"still here?"
    wait_until(lambda: gateway.metric("sluice_websocket_tunnels_open", route="all") == stay_count, "all to be counted still")
