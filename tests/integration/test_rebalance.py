"""`rebalance`: tunnels move to endpoints that joined, politely, within their time, and no more of them than the shares ask for."""

import copy
import re
import socket
import threading

from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import CLOSE, TEXT, open_websocket

MOVED = "sluice_websocket_moved_tunnels_total"


class Endpoint:
    """A backend that counts its tunnels, and answers other requests by whether it is well."""

    def __init__(self, lab):
        self.tunnels = 0
        self.well = threading.Event()
        self.well.set()
        self._lock = threading.Lock()
        self.backend = lab.backend(self._serve)

    def _serve(self, connection):
        while True:
            request = connection.read_request_head()
            if request.header("Upgrade"):
                connection.unread(request.head)
                return self._echo(connection)
            connection.respond(status=200 if self.well.is_set() else 503)

    def _echo(self, connection):
        with self._lock:
            self.tunnels += 1
        try:
            echo_websocket(connection)
        finally:
            with self._lock:
                self.tunnels -= 1


class Client(threading.Thread):
    """Keeps a tunnel open and comes back when it is told to go. `codes`: of the Closes."""

    def __init__(self, lab, gateway):
        super().__init__(daemon=True)
        self.lab, self.gateway, self.codes, self.problem, self.ends = lab, gateway, [], None, False
        self.client = self._connect()
        self.start()

    def _connect(self):
        client = self.lab.client(self.gateway, timeout=30)
        open_websocket(client)
        client.send_frame(TEXT, b"here")
        assert client.read_frame().payload == b"here"
        return client

    def run(self):
        try:
            while True:
                frame = self.client.read_frame()
                if frame.opcode != CLOSE:
                    continue
                self.codes.append(int.from_bytes(frame.payload[:2], "big"))
                self.client.send_frame(CLOSE, frame.payload)
                self.client.expect_closed()
                self.client = self._connect()
        except Exception as error:  # told by whoever asks
            if not self.ends:
                self.problem = error


def crowd(lab, gateway, size):
    return [Client(lab, gateway) for _ in range(size)]


def part(clients):
    for client in clients:
        client.ends = True
    for client in clients:
        client.client.socket.shutdown(socket.SHUT_RDWR)
        client.join(10)
    assert [client.problem for client in clients if client.problem] == []


def joined(config, endpoint):
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["endpoints"].append(endpoint.backend.url)
    return changed


def moving(lab, over="300ms", **upstream):
    first, second = Endpoint(lab), Endpoint(lab)
    config = config_for(first.backend, workers=2, timeouts={"drain": "10s"},
                        upstream={"balance": "least_connections", "rebalance": {"over": over}, **upstream})
    return config, first, second


def planned_moves(gateway, over=r"\S+"):
    """As the log tells of it, which is written a little later than a reload is answered."""
    generation = int(gateway.metric("sluice_config_generation"))
    wait_until(lambda: f"configuration {generation} is in force" in gateway.stderr(), "the log")
    lines = re.findall(rf"upstream app: (\d+) WebSockets? of one worker moves? to other endpoints within {over}$", gateway.stderr(), re.M)
    return sum(map(int, lines))


def test_tunnels_move_to_an_endpoint_that_joined(lab):
    config, first, second = moving(lab)
    gateway = lab.gateway_from(config)
    clients = crowd(lab, gateway, 40)
    assert (first.tunnels, second.tunnels) == (40, 0)
    gateway.reload(joined(config, second))
    planned = planned_moves(gateway)
    assert 19 <= planned <= 21, "an even share, but for the rounding of two workers"
    wait_until(lambda: gateway.metric(MOVED, route="all") == planned, "the moves")
    wait_until(lambda: sum(len(client.codes) for client in clients) == planned, "the Closes", 10)
    assert {code for client in clients for code in client.codes} == {1012}
    wait_until(lambda: first.tunnels + second.tunnels == 40, "the clients' return", 10)
    assert 16 <= second.tunnels <= 21, "those that came back early met a busier world"
    part(clients)


def test_an_endpoint_that_goes_again_calls_the_moves_off(lab):
    config, first, second = moving(lab, over="2h")
    gateway = lab.gateway_from(config)
    clients = crowd(lab, gateway, 10)
    gateway.reload(joined(config, second))
    assert planned_moves(gateway, "2h") > 0
    gateway.reload(config)
    for client in clients:
        client.client.send_frame(TEXT, b"")
    wait_until(lambda: gateway.metric("sluice_websocket_messages_total", route="all", direction="to_client") == 20, "the echoes")
    assert (first.tunnels, gateway.metric(MOVED, route="all")) == (10, 0)
    part(clients)


def test_moves_that_are_not_due_are_planned_anew(lab):
    config, first, second = moving(lab, over="2h")
    gateway = lab.gateway_from(config)
    clients = crowd(lab, gateway, 20)
    both = joined(config, second)
    gateway.reload(both)
    assert gateway.metric(MOVED, route="all") == 0
    both["upstreams"][0]["rebalance"]["over"] = "100ms"
    gateway.reload(both)
    moved = planned_moves(gateway, "100ms")
    assert 9 <= moved <= 11
    wait_until(lambda: gateway.metric(MOVED, route="all") == moved, "the moves")
    both["upstreams"][0]["retries"] = {"attempts": 1}
    gateway.reload(both)  # nobody joins
    assert planned_moves(gateway, "2h") > 0
    part(clients)
    assert gateway.metric(MOVED, route="all") == moved


def test_without_rebalance_tunnels_stay_where_they_are(lab):
    config, first, second = moving(lab)
    del config["upstreams"][0]["rebalance"]
    gateway = lab.gateway_from(config)
    clients = crowd(lab, gateway, 10)
    gateway.reload(joined(config, second))
    newcomers = crowd(lab, gateway, 4)
    assert (first.tunnels, second.tunnels) == (10, 4)
    part(clients + newcomers)
    assert [client.codes for client in clients + newcomers] == [[]] * 14


def test_an_endpoint_that_is_well_again_gets_tunnels_back(lab):
    config, first, second = moving(lab, on_unhealthy="close", health_check={
        "path": "/", "interval": "50ms", "unhealthy_after": 1, "healthy_after": 1})
    config["upstreams"][0]["endpoints"].append(second.backend.url)
    config["routes"][0]["websocket"] = {"drain": {"over": "300ms"}}
    gateway = lab.gateway_from(config)
    clients = crowd(lab, gateway, 20)
    assert (first.tunnels, second.tunnels) == (10, 10)
    second.well.clear()
    wait_until(lambda: (first.tunnels, second.tunnels) == (20, 0), "all of them at the other one", 10)
    second.well.set()
    wait_until(lambda: first.tunnels + second.tunnels == 20 and second.tunnels >= 5, "some of them back", 10)
    part(clients)
