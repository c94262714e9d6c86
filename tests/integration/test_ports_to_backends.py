"""The ports from which the gateway connects: clients that leave, or are refused, must not use them up."""

from pathlib import Path

import pytest

from support.http_message import request_bytes
from support.waiting import wait_until
from support.websocket import upgrade_bytes

TIME_WAIT = "06"
TIMES = 20


def ports_that_wait(backend):
    """Ports of this machine that wait for a minute after a connection to that one has ended."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {line[1] for line in lines if line[3] == TIME_WAIT and int(line[2].rsplit(":", 1)[1], 16) == backend.port}


class Ports:
    """`with Ports(backend):` around all that makes the gateway connect to it, TIMES times."""

    def __init__(self, backend):
        self.backend = backend
        self.before = ports_that_wait(backend)  # whoever had its port before

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if failed:
            return
        connections = self.backend.connections
        wait_until(lambda: sum(one.ended is not None for one in connections) == TIMES, "the backend to see all of them end")
        assert not ports_that_wait(self.backend) - self.before


@pytest.mark.parametrize("leaves", ["close", "reset"])
def test_clients_that_leave_without_an_answer(lab, leaves):
    backend = lab.backend(lambda peer: (peer.read_request(), peer.hang()), record=False)
    gateway = lab.gateway(backend, workers=1)
    with Ports(backend):
        for count in range(1, TIMES + 1):
            client = lab.client(gateway)
            client.send(request_bytes())
            backend.wait_for_request(count)
            getattr(client, leaves)()


def test_refused_handshakes(lab):
    backend = lab.backend(lambda peer: (peer.read_request_head(), peer.respond(403), peer.hang()), record=False)
    gateway = lab.gateway(backend, workers=1)
    with Ports(backend):
        for _ in range(TIMES):
            client = lab.client(gateway)
            client.send(upgrade_bytes())
            assert client.response().status == 403
            client.close()


def test_connections_for_which_the_pool_has_no_room(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, workers=1, upstream={"pool": {"max_idle": 0}})
    with Ports(backend):
        for _ in range(TIMES):
            assert lab.request(gateway).status == 200
