"""One gateway that plays a scenario while its calls fail one after the other, and is examined after each."""

import time
from functools import partial

from support.config_text import config_for
from support.fault_peers import DIGEST, Backend, ask, expect, play
from support.fault_plan import BACKGROUND, FAULTS, is_harmless, judge
from support.faults import UNORDERED, Control, one_after_the_other
from support.raw_client import RawClient, trusting
from support.waiting import seconds, wait_until

MODES = ["plain", "tls", "tls_backend", "unix"]  # what is not plain TCP: the client's side, the backend's, both
MOST_WAITS = 3000  # for events, while one scenario is played: what spins has ten times as many
QUIET = 0.05
MOST_WAITS_IDLE = 20
GAUGES = ["sluice_connections_open", "sluice_held_bytes", "sluice_websocket_tunnels_open", "sluice_upstream_connections_open",
          "sluice_mirror_in_flight"]
TIMEOUTS = {"response_head": "20s", "response_body_idle": "20s", "request_body_idle": "20s", "drain": "500ms"}


def descriptors_at_rest(gateway):
    """Of a gateway that is about to be quiet: known when the number stays."""
    gateway.wait_metric("sluice_connections_open", 0)
    numbers = []

    def same():
        numbers.append(gateway.descriptors())
        return len(numbers) > 5 and len(set(numbers[-5:])) == 1

    wait_until(same, "the number of descriptors to stay")
    return numbers[-1]


class FaultLab:
    def __init__(self, lab, ca, mode, upstream=None, protocol="http/1.1", script=None, alpn=(), mirror=None):
        """`upstream`: more keys of the scenario's upstream. By default each request has a connection and one attempt. `protocol`: of
        the scenario's clients; that everything goes on is asked by HTTP/1.1. `script`: another Backend; `alpn`: what it agrees on.
        `mirror`: an upstream that gets copies of the scenario's requests."""
        self.script = script or Backend()
        self._protocol, self._mirror = protocol, mirror
        self._mode = mode
        certificate = ca.issue("localhost", "127.0.0.1")
        self._tls = trusting(ca.certificate) if mode == "tls" else None
        self._scenario_tls = trusting(ca.certificate, alpn=[protocol]) if mode == "tls" else None
        self._socket = str(lab.folder / "web")
        context = certificate.server_context()
        if alpn:
            context.set_alpn_protocols(list(alpn))
        backend = lab.backend(self.script, record=False, tls=context if mode == "tls_backend" else None,
                              host=str(lab.folder / "app") if mode == "unix" else "127.0.0.1")
        self.control = Control(lab.folder / "faults")
        self.gateway = lab.gateway_from(self._config(backend, ca, certificate, upstream), wrapper=self.control.wrapper(),
                                        env=UNORDERED)
        self._tries = 0
        self._check()
        at_rest = descriptors_at_rest(self.gateway)
        idle = self.gateway.metric("sluice_upstream_connections_idle")  # of HTTP/2: pool.max_idle is not about those
        self._base = {"descriptors": at_rest - idle, **dict.fromkeys(GAUGES, 0)}

    def _config(self, backend, ca, certificate, upstream):
        single = {"retries": {"attempts": 1}, "pool": {"max_idle": 0}}
        secure = {"tls": {"ca": str(ca.certificate)}} if self._mode == "tls_backend" else {}
        workers = 2 if self._mode == "unix" else 1  # so that connections are handed over
        config = config_for(backend, workers=workers, timeouts=TIMEOUTS, upstream={**single, **secure, **(upstream or {})})
        config["upstreams"].append({**config["upstreams"][0], **single, "name": "check"})
        config["routes"].insert(0, {"name": "check", "match": {"path_prefix": "/check"}, "upstream": "check"})
        if self._mirror:
            config["upstreams"].append({**self._mirror, "name": "mirror"})
            config["routes"][1]["mirror"] = {"upstream": "mirror"}
        if self._mode == "unix":
            config["listeners"][0]["address"] = f"unix:{self._socket}"
        config["listeners"][0]["protocols"] = list(dict.fromkeys([self._protocol, "http/1.1"]))
        if self._mode == "tls":
            config["listeners"][0]["tls"] = {"certificates": [certificate.as_config()]}
        self._retried = config["upstreams"][0]["retries"]["attempts"] > 1
        return config

    # what a test asks for

    def run(self, scenario, calls=FAULTS):
        """Fails each call of each kind in each way, one after the other. Gives how many there were, by kind."""
        struck = dict.fromkeys(calls, 0)
        for call in calls:
            for error in FAULTS[call]:
                struck[call] += one_after_the_other(partial(self._strikes, scenario), call, error)
        self._is_idle()
        return struck

    def run_with(self, scenario, *faults):
        """Plays it while these happen all the time; nobody may notice."""
        with self.control.armed(*faults):
            ending = play(scenario, "all the time", self._connect_for_scenario)
            self._wait_quiet()
        assert ending.right, f"{scenario.__name__}, {self._mode}, {[str(fault) for fault in faults]}: {ending}"
        self._check()

    def _strikes(self, scenario, fault):
        """Plays the scenario once; whether the fault came to its turn, which nobody but it may have noticed."""
        self._tries += 1
        name = f"try-{self._tries}"
        waits = self.control.waits
        with self.control.armed(fault, *BACKGROUND.get(fault.call, [])) as outcome:
            ending = play(scenario, name, self._connect_for_scenario)
            self._wait_quiet()
            side = outcome()
        judge(fault, is_harmless(fault, self._mode == "unix"), side, ending, self._retried)
        self._judge_backend(name)
        assert self.control.waits - waits < MOST_WAITS, "the gateway spins"
        self._check()
        if self.gateway.descriptors() != self._base["descriptors"]:  # its own are to be gone before the next fault is armed
            self._wait_quiet()
        return side is not None

    def _judge_backend(self, name):
        """Only what may be repeated came twice, and what came whole came right."""
        begun, digest = self.script.begun.pop(name, 0), self.script.uploaded.pop(name, None)
        assert begun <= 1, f"the backend got {begun} times what may not be repeated"
        assert digest in (None, DIGEST), "a body that was not sent so came whole"

    # looking at the gateway

    def _connect_for_scenario(self):
        return self._connect(self._scenario_tls)

    def _connect(self, tls):
        host = self._socket if self._mode == "unix" else "127.0.0.1"
        client = RawClient(self.gateway.port, host, tls=tls, server_name="localhost" if tls else None)
        if tls:
            client.socket.suppress_ragged_eofs = False  # an end without close_notify is no end
        return client

    def _check(self):
        """A request that nothing happens to is served at once, whatever happened before."""
        start = time.monotonic()
        client = self._connect(self._tls)
        try:
            expect(ask(client, "check", "/check/last"), 200, b"ok")
        finally:
            client.close()
        assert time.monotonic() - start < seconds(2), "the next request had to wait"

    def _state(self):
        """What the gateway holds now, idle connections to the backend left out. A descriptor is a connection's, or lost."""
        descriptors = self.gateway.descriptors()  # before there is one for the metrics
        metrics = self.gateway.metrics()
        idle = metrics.value("sluice_upstream_connections_idle")
        held = {name: metrics.value(name) for name in GAUGES}
        held["sluice_upstream_connections_open"] = metrics.value("sluice_upstream_connections_open") - idle
        return {"descriptors": descriptors - idle, **held}

    def _wait_quiet(self):
        wait_until(lambda: self._state() == self._base, lambda: f"everything to be given back: {self._state()}, not {self._base}")

    def _is_idle(self):
        waits = self.control.waits
        time.sleep(QUIET)
        assert self.control.waits - waits < MOST_WAITS_IDLE, "the gateway spins when there is nothing to do"
