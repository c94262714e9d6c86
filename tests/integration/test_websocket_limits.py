"""What a WebSocket may do: `message_rate`, `ping`, `max_lifetime`, `slow_consumer`, and `observe`."""

import time
from pathlib import Path

import pytest
import yaml

from support.binary import is_sanitized
from support.gateway import run_sluice
from support.raw_backend import echo_websocket, keep_frames
from support.waiting import wait_until
from support.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, assert_carries, close_payload, frame_bytes, masked,
                               open_websocket, violations)
from support.websocket_way import over  # noqa: F401 (a fixture)

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/held_sockets.yaml"


def tunnel(over, script=echo_websocket, rules=None, **options):
    backend = over.backend(script)
    gateway = over.gateway(backend, route={"websocket": rules}, **options)
    return backend, gateway, over.open(gateway)


def example():
    # For PyYAML, which reads YAML 1.1, off is a way to say false.
    return yaml.safe_load(EXAMPLE.read_text().replace(": off", ': "off"'))


def route_of_example(name):
    return next(route for route in example()["routes"] if route["name"] == name)["websocket"]


class Told:
    """A backend that keeps every frame it gets."""

    def __init__(self):
        self.frames = []

    def __call__(self, peer):
        keep_frames(self.frames)(peer)

    def wait_close(self):
        wait_until(lambda: self.frames and self.frames[-1].opcode == CLOSE, lambda: f"a Close among {self.frames}", timeout=10)
        return self.frames[-1].close_code


def expect_close(client, code, timeout=10):
    while (frame := client.read_frame(timeout=timeout)).opcode != CLOSE:
        pass
    assert frame.close_code == code
    client.send_frame(CLOSE, frame.payload)
    return frame


def test_too_many_messages_end_with_1008_and_the_answers_to_the_others(over):
    _, gateway, client = tunnel(over, rules=route_of_example("chat"))
    client.send(b"".join(masked(TEXT, b"%d" % i) for i in range(30)))
    for i in range(20):
        assert client.read_frame().payload == b"%d" % i
    assert expect_close(client, 1008).payload[2:] == b"client: message_rate"
    client.close()
    line = gateway.wait_log(event="tunnel_close")["tunnel"]
    assert (line["violation"], line["violator"], line["close_code"]) == ("message_rate", "client", 1008)
    assert violations(gateway, "client", "message_rate") == 1


@pytest.mark.parametrize("opcode", [PING, PONG], ids=["pings", "pongs"])
def test_control_frames_count_as_messages_do(over, opcode):
    backend = Told()
    _, _, client = tunnel(over, backend, rules={"message_rate": {"rate": "1/h", "burst": 5}})
    client.send(masked(opcode, b"x") * 10)
    expect_close(client, 1008)
    assert [frame.opcode for frame in backend.frames] == [opcode] * 5 + [CLOSE]


def test_or_the_client_has_to_wait(over):
    _, gateway, client = tunnel(over, rules={"message_rate": {"rate": "50/s", "burst": 5, "action": "delay"}})
    begin = time.monotonic()
    for i in range(25):
        client.send_frame(TEXT, b"%d" % i)
    for i in range(25):
        assert client.read_frame().payload == b"%d" % i
    assert time.monotonic() - begin >= (20 - 2) / 50 * 0.95  # the clock ticks each 20 ms
    assert violations(gateway, "client", "message_rate") == 0


def test_a_flood_that_has_to_wait_costs_no_memory(over):
    _, gateway, client = tunnel(over, rules={"message_rate": {"rate": "1/h", "burst": 5, "action": "delay"}})
    before = gateway.rss_mib()
    sent = client.send_until_blocked(masked(TEXT, bytes(100)) * 1000, limit=64 << 20)
    assert sent < 64 << 20
    assert is_sanitized() or gateway.rss_mib() - before < 4


def test_a_client_that_says_nothing_is_gone_and_its_backend_told(over):
    backend = Told()
    _, gateway, client = tunnel(over, backend, rules={"ping": {"interval": "200ms", "timeout": "200ms"}})
    begin = time.monotonic()
    assert backend.wait_close() == 1001
    assert time.monotonic() - begin < 0.4 + 2  # on a busy machine
    gateway.wait_metric("sluice_websocket_tunnels_open", 0, route="all")
    assert gateway.metric("sluice_websocket_ping_timeouts_total", route="all", peer="client") == 1
    line = gateway.wait_log(event="tunnel_close")
    assert line["failure"] == "the peer gave no sign of life after a Ping"
    assert (line["tunnel"]["close_code"], line["tunnel"]["close_initiator"]) == (1011, "gateway")
    assert line["tunnel"]["close_reason"] == "client: no answer to a Ping", "which of the two it was"
    assert [client.read_frame().opcode for _ in range(2)] == [PING, CLOSE]


def test_a_backend_that_says_nothing_is_gone_and_the_client_told(over):
    def silent(peer):
        peer.accept_websocket()
        peer.hang()

    _, gateway, client = tunnel(over, silent, rules={"ping": {"interval": "200ms", "timeout": "200ms", "to": "backend"}})
    expect_close(client, 1011)
    client.close()
    gateway.wait_metric("sluice_websocket_ping_timeouts_total", 1, route="all", peer="upstream")
    gateway.wait_metric("sluice_websocket_tunnels_open", 0, route="all")


def test_answers_to_our_pings_do_not_go_on(over):
    backend = Told()
    _, gateway, client = tunnel(over, backend, rules={"ping": {"interval": "500ms", "timeout": "500ms", "to": "both"}})
    for _ in range(5):
        ping = client.read_frame()
        assert (ping.opcode, len(ping.payload)) == (PING, 8)
        client.send(masked(PONG, ping.payload) + masked(TEXT, b"between"))
    client.send_frame(CLOSE, close_payload(1000))
    assert backend.wait_close() == 1000
    assert {frame.opcode for frame in backend.frames} == {TEXT, PING, CLOSE}, "Pings are for the backend itself"
    assert gateway.metric("sluice_websocket_ping_seconds_count", route="all", peer="client") == 5
    assert gateway.metric("sluice_websocket_control_frames_total", route="all", direction="to_upstream", opcode="pong") == 0


def test_a_backend_that_answers_stays(over):
    _, gateway, client = tunnel(over, rules={"ping": {"interval": "500ms", "timeout": "500ms", "to": "backend"}})
    gateway.wait_metric("sluice_websocket_ping_seconds_count", 5, route="all", peer="upstream")
    assert_carries(client)


def test_a_tunnel_lives_no_longer_than_it_may(over):
    backend = Told()
    _, gateway, client = tunnel(over, backend, rules={"max_lifetime": "300ms"})
    assert expect_close(client, 1001).payload[2:] == b"max_lifetime"
    assert backend.wait_close() == 1001
    assert gateway.wait_log(event="tunnel_close")["tunnel"]["close_reason"] == "max_lifetime"
    gateway.wait_metric("sluice_websocket_tunnels_open", 0, route="all")


class Flood:
    """A backend that sends numbered messages of 1,000 bytes as fast as they are taken, until somebody reads the last one."""

    def __init__(self):
        self.sent, self.stop, self.closed = 0, False, None

    def __call__(self, peer):
        peer.accept_websocket()
        while not self.stop:
            try:
                peer.send(b"".join(self.message(self.sent + i) for i in range(20)))
            except OSError:
                return
            self.sent += 20
        peer.send_frame(TEXT, b"la", fin=False)  # not whole, so never dropped
        peer.send_frame(CONTINUATION, b"st")
        self.closed = peer.read_frame(timeout=20).close_code

    @staticmethod
    def message(number):
        return frame_bytes(BINARY, (b"%d" % number).ljust(1000))


def slow_tunnel(over, flood, rules):
    gateway = over.gateway(over.backend(flood, record=False), route={"websocket": rules})
    return gateway, over.open(gateway, slow=True)


def test_a_slow_client_misses_whole_messages_and_gets_all_again_when_it_is_back(over):
    flood = Flood()
    gateway, client = slow_tunnel(over, flood, {"slow_consumer": {"action": "drop", "after": "100ms"}})
    wait_until(lambda: gateway.metric("sluice_websocket_dropped_messages_total", route="all") > 1000, "dropped messages", timeout=20)
    flood.stop = True
    numbers = []
    while (frame := client.read_frame()).payload != b"la":
        assert frame.opcode == BINARY and len(frame.payload) == 1000
        numbers.append(int(frame.payload))
    assert client.read_frame().payload == b"st"
    assert numbers == sorted(set(numbers))
    assert flood.sent - len(numbers) == gateway.metric("sluice_websocket_dropped_messages_total", route="all")
    assert gateway.metric("sluice_websocket_pauses_total", route="all", direction="to_client") >= 1


def test_a_slow_client_gets_1013(over):
    flood = Flood()
    gateway, client = slow_tunnel(over, flood, {"slow_consumer": {"action": "close", "after": "200ms", "buffer": "128KiB"}})
    wait_until(lambda: violations(gateway, "client", "slow_consumer") == 1, "the violation", timeout=20)
    flood.stop = True
    expect_close(client, 1013)
    client.close()
    line = gateway.wait_log(event="tunnel_close")["tunnel"]
    assert (line["violation"], line["violator"], line["close_code"]) == ("slow_consumer", "client", 1013)


def test_a_slow_client_that_never_reads_is_cut_after_a_grace_time(over):
    flood = Flood()
    gateway, _ = slow_tunnel(over, flood, {"slow_consumer": {"action": "close", "after": "100ms"}})
    wait_until(lambda: violations(gateway, "client", "slow_consumer") == 1, "the violation", timeout=20)
    gateway.wait_metric("sluice_websocket_tunnels_open", 0, route="all", timeout=15)
    flood.stop = True


def test_a_backend_waits_for_a_slow_client_otherwise(over):
    flood = Flood()
    gateway, client = slow_tunnel(over, flood, {"slow_consumer": {"buffer": "1MiB"}})
    wait_until(lambda: gateway.metric("sluice_held_bytes") > 512 << 10, "a full buffer", timeout=20)
    # What the window has let through of a stream's buffer is given back with the next of it.
    assert gateway.metric("sluice_held_bytes") <= (1 << 20) + (65535 if "h2" in (over.version, over.backend_version) else 0)
    flood.stop = True
    for number in range(flood.sent):
        assert int(client.read_frame().payload) == number


def test_observing_counts_and_lets_pass(over):
    rules = route_of_example("uploads") | {"message_rate": {"rate": "1/h", "burst": 2}, "slow_consumer": {"action": "close", "after": "100ms"}}
    _, gateway, client = tunnel(over, rules=rules)
    for i in range(10):
        client.send_frame(TEXT, b"%d" % i)
        assert client.read_frame().payload == b"%d" % i
    assert violations(gateway, "client", "message_rate") == 8
    client.send_frame(BINARY, bytes((1 << 20) + 1))
    assert len(client.read_frame().payload) == (1 << 20) + 1
    assert violations(gateway, "client", "message_too_big") == 1
    client.send_frame(CLOSE, close_payload(1000))
    assert client.read_frame().close_code == 1000
    client.close()
    assert gateway.wait_log(event="tunnel_close")["tunnel"]["violation"] == "message_rate"


def test_observing_lets_everybody_in_and_tells_whom_it_would_not(lab):
    backend = lab.backend(echo_websocket)
    rules = {"origins": ["https://a.example"], "handshake_rate": "1/h", "max_tunnels": 1, "max_tunnels_per_client": 1,
             "max_lifetime": "100ms", "observe": True}
    gateway = lab.gateway(backend, route={"websocket": rules}, workers=1)
    clients = []
    for _ in range(3):
        clients.append(lab.client(gateway))
        open_websocket(clients[-1], extra=[("Origin", "https://evil.example")])
        assert_carries(clients[-1])
    for limit, count in {"origins": 3, "handshake_rate": 2, "max_tunnels": 2, "max_tunnels_per_client": 2, "max_lifetime": 3}.items():
        gateway.wait_metric("sluice_websocket_observed_total", count, route="all", limit=limit)
    assert_carries(clients[0])
    for client in clients:
        client.close()
    gateway.wait_metric("sluice_websocket_tunnels_open", 0, route="all")
    gateway.wait_log(3, event="tunnel_open", observed="origins")
    gateway.wait_log(3, event="tunnel_close", observed="origins")
    client = lab.client(gateway)
    open_websocket(client, extra=[("Origin", "https://a.example")])
    gateway.wait_log(1, event="tunnel_open", observed="handshake_rate")
    assert gateway.metric("sluice_websocket_observed_total", route="all", limit="max_tunnels") == 2, "places are given back"


def test_the_example_is_right_and_its_routes_carry(over):
    assert run_sluice("check", "--config", str(EXAMPLE)).returncode == 0
    for name in ("chat", "prices", "uploads"):
        _, _, client = tunnel(over, rules=route_of_example(name), limits=example()["limits"])
        assert_carries(client)
