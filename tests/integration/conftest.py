"""Fixtures of the end-to-end tests: `lab` makes peers and gateways and clears them away, `ca` issues certificates."""

import faulthandler
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from support import gateway as gateway_process
from support import real_backends
from support.certificates import Authority
from support.config_text import config_for
from support.node_client import NodeClient
from support.raw_backend import BlackHole, RawBackend, RefusingEndpoint, answer_ok
from support.raw_client import RawClient
from support.waiting import seconds

DEFAULT_DEADLINE = 30


def pytest_configure(config):
    config.addinivalue_line("markers", "deadline(seconds): how long the test may take in all (default 30)")
    config.addinivalue_line("markers", "slow: takes more than a few seconds")


class TestDeadline(BaseException):
    """Not an Exception, so that no test swallows it."""

    __test__ = False


@pytest.fixture(autouse=True)
def deadline(request):
    """Every test is bounded, whatever it waits for; set up first, so teardowns are inside."""
    marker = request.node.get_closest_marker("deadline")
    limit = seconds(marker.args[0] if marker else DEFAULT_DEADLINE)

    def expired(_signal, _frame):
        faulthandler.dump_traceback(sys.__stderr__)
        raise TestDeadline(f"the test took longer than {limit}s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, limit)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Lab:
    """Makes whatever a test needs and takes it down: clients first, then gateways, then backends."""

    def __init__(self, folder):
        self.folder = folder
        self.clients, self.gateways, self.backends = [], [], []

    def backend(self, script=answer_ok, **options):
        return self.keep(RawBackend(script, **options))

    def refusing(self):
        return self.keep(RefusingEndpoint())

    def black_hole(self):
        return self.keep(BlackHole())

    def uvicorn(self, *options):
        return self.real(real_backends.uvicorn, *options)

    def real(self, make, *arguments):
        """A server of support/real_backends.py."""
        return self.keep(make(self.folder, *arguments))

    def node_echo(self):
        return self.real(real_backends.node_echo)

    def node_client(self, script, *arguments, **options):
        """A program below tests/ that talks through a gateway; see NodeClient."""
        client = NodeClient(self.folder, script, *arguments, **options)
        self.clients.append(client)
        return client

    def keep(self, backend):
        self.backends.append(backend)
        return backend

    def gateway(self, *endpoints, **config):
        """See config_for(): one listener, one route, one upstream, and what is added."""
        return self.gateway_from(config_for(*endpoints, **config))

    def gateway_from(self, config, **options):
        started = self.start(config=config, **options)
        return started.wait_started(len(config["listeners"]), "admin" in config)

    def start(self, **options):
        """A gateway process that may or may not come up."""
        process = gateway_process.Gateway(self.folder / f"gateway-{len(self.gateways)}", **options)
        self.gateways.append(process)
        return process

    def client(self, gateway, listener=None, **options):
        """A raw connection to a gateway's listener (the first one by default)."""
        name = listener or next(iter(gateway.ports))
        client = RawClient(gateway.ports[name], gateway.hosts[name], **options)
        self.clients.append(client)
        return client

    def request(self, gateway, method="GET", target="/", **options):
        """One request on a connection of its own."""
        client = self.client(gateway)
        try:
            return client.request(method, target, **options)
        finally:
            client.close()

    def close(self):
        for client in self.clients:
            client.close()
        problems = []
        for running in self.gateways + self.backends:
            try:
                running.close()
                running.check()
            except AssertionError as problem:  # the rest is still to be taken down
                problems.append(problem)
        if problems:
            raise problems[0]


@pytest.fixture
def lab(tmp_path, request):
    made = Lab(tmp_path)
    request.node.lab = made
    yield made
    made.close()


@pytest.fixture
def folder():
    """Short, since the path of a socket may have 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="sluice-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the configuration and the logs of its gateways."""
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "lab", None)
    if report.failed and made:
        for process in made.gateways:
            report.sections.append((f"gateway {process.pid}", process.report()))
        for backend in made.backends:
            if hasattr(backend, "connections"):
                lines = [f"{one.index}: {bytes(one.received[:1000])!r} ended={one.ended}"
                         for one in backend.connections[:8]]
                report.sections.append((f"backend {backend.port}", "\n".join(lines) or "no connection"))
