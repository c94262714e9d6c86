"""A side of a tunnel that dies, resets or falls silent at each byte of a frame's header, in a payload, between fragments and in its
Close: the other side gets what was whole, then the end; nothing stays behind; the log tells who it was."""

import threading
from dataclasses import dataclass, field

import pytest

from rfc6455_cases import HELLO, binary, close, fragments, frame, text
from support.conformance import as_server, frames_of
from support.raw_client import trusting
from support.waiting import seconds, wait_until
from support.websocket import CLOSE, PING, TEXT, frame_bytes, open_websocket

# What is under way, behind a message that has passed; the sender breaks off in it.
STREAMS = {
    "small": text(b"s" * 100),
    "length16": binary(b"m" * 300),
    "length64": binary(b"l" * 70_000),
    "ping": frame(PING, b"are you there"),
    "fragments": b"".join(fragments(TEXT, b"first", b"second")),
    "close": close(1000, b"bye"),
    "answer": close(1000),  # to the other side's Close
}
SIDES = ("client", "upstream")
IDLE = 1.0   # seconds
GRACE = 5.0  # which peers have to answer the gateway's Close


def whole_parts(data):
    """(where it begins, size of the header, of the payload, whether it is a Close) of each frame whose header is there."""
    at = 0
    while at < len(data):
        second = data[at + 1] if at + 1 < len(data) else 0xFF
        long = {126: 2, 127: 8}.get(second & 0x7F, 0)
        header = 2 + long + (4 if second & 0x80 else 0)
        if at + header > len(data):
            return
        payload = int.from_bytes(data[at + 2:at + 2 + long], "big") if long else second & 0x7F
        yield at, header, payload, data[at] & 15 == CLOSE
        at += header + payload


def passes(data):
    """How many of these bytes may pass: headers and Closes pass whole, payloads as they come."""
    passed = 0
    for at, header, payload, is_close in whole_parts(data):
        if not is_close or at + header + payload <= len(data):
            passed = min(len(data), at + header + payload)
    return passed


def cuts(data):
    """Each byte of each header, of a Close all, and of payloads the first, the middle and the last."""
    found = {len(data)}
    for at, header, payload, is_close in whole_parts(data):
        found.update(range(at, at + header + 1))
        found.update(range(at, at + header + payload) if is_close else (at + header + payload // 2, at + header + payload - 1))
    return sorted(found)


@dataclass
class Break:
    """One tunnel, of which `side` sends so much of a stream and ends so; what the other side has got of it."""

    side: str
    ending: str  # fin | reset | stall
    stream: str
    cut: int
    received: bytes = None  # before the end
    rest: bytes = None      # since
    told: bytes = b""       # to the side that fell silent
    go: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.target = f"/{self.side}/{self.ending}/{self.stream}/{self.cut}"
        first, under_way = HELLO, STREAMS[self.stream]
        if self.side == "upstream":
            first, under_way = as_server(first), as_server(under_way)
        self.first, self.second = first, under_way[:self.cut]
        sent = self.first + self.second
        self.passed = sent[:passes(sent)]
        parts = list(whole_parts(self.passed))
        self.closed = any(is_close for *_, is_close in parts)
        self.at_boundary = sum(header + payload for _, header, payload, _ in parts) == len(self.passed)
        self.answers = self.stream == "answer"

    # the side that breaks off, and the other one

    def send(self, stream):
        stream.send(self.first)
        if self.answers:
            assert stream.read_frame().close_code == 1000
        stream.send(self.second)

    def end(self, stream):
        if self.ending == "reset":
            stream.reset()
        elif self.ending == "fin":
            stream.close()
        else:
            self.told = stream.read_until_closed()

    def receive(self, stream, masked):
        received = stream.read_exactly(len(self.first))
        if self.answers:
            stream.send(frame_bytes(CLOSE, b"\x03\xe8", mask=masked))
        self.received = received + stream.read_exactly(len(self.passed) - len(received))

    def script(self, peer):
        peer.timeout = 20.0
        peer.accept_websocket()
        if self.side == "upstream":
            self.send(peer)
            peer.wait(self.go)
            self.end(peer)
        else:
            self.receive(peer, masked=False)
            self.go.set()
            self.rest = peer.read_until_closed()
        self.over.set()

    def begin(self, client):
        self.client = client
        open_websocket(client, self.target)
        if self.side == "client":
            self.send(client)
            wait_until(self.go.is_set, lambda: f"{self.target}: the bytes at the backend")
        else:
            self.receive(client, masked=True)
            self.go.set()

    def finish(self):
        """Ends it, or waits until the gateway does."""
        if self.side == "client":
            self.end(self.client)
        else:
            self.rest = self.client.read_until_closed()
        self.client.close()
        wait_until(self.over.is_set, lambda: f"{self.target}: the backend's end", timeout=20)

    def expected_log(self):
        """(code, initiator) of the tunnel's end."""
        if self.answers:
            return 1000, SIDES[self.side == "client"]
        if self.closed:
            return 1000, self.side
        return (1001, "gateway") if self.ending == "stall" else (None, self.side)


class Breaks:
    """A gateway, and tunnels by their targets."""

    def __init__(self, lab, ca, scheme):
        self.lab, self.all = lab, {}
        listener = {"name": "web", "address": "127.0.0.1:0"}
        if scheme == "wss":
            listener["tls"] = {"certificates": [ca.issue("127.0.0.1").as_config()]}
        self.tls = {"tls": trusting(ca.certificate), "server_name": "127.0.0.1"} if scheme == "wss" else {}
        quiet = {"name": "quiet", "match": {"path_regex": "/stall/"}, "upstream": "app",
                 "websocket": {"idle_timeout": f"{IDLE * 1000:.0f}ms"}}
        routes = [{"name": "all", "upstream": "app"}, quiet]
        self.gateway = lab.gateway(lab.backend(self.script), listeners=[listener], routes=routes)
        self.descriptors = self.gateway.descriptors()

    def script(self, peer):
        request = peer.read_request_head()
        peer.unread(request.head)
        self.all[request.target].script(peer)

    def begin(self, one):
        self.all[one.target] = one
        one.begin(self.lab.client(self.gateway, timeout=20, **self.tls))
        assert one.received == one.passed, one.target

    def ended(self):
        """Waits until nothing is left of them. Where another end was logged than was to be: both, by target."""
        self.gateway.wait_metric("sluice_websocket_tunnels_open", 0)
        wait_until(lambda: self.gateway.descriptors() <= self.descriptors + 1,
                   lambda: f"{self.gateway.descriptors()} descriptors, {self.descriptors} before")
        self.gateway.wait_log(len(self.all), event="tunnel_close")
        self.lines = {line["target"]: line for line in self.gateway.access_log() if line["event"] == "tunnel_close"}
        logged = {target: (line["tunnel"].get("close_code"), line["tunnel"]["close_initiator"]) for target, line in self.lines.items()}
        expected = {target: one.expected_log() for target, one in self.all.items()}
        return {target: (end, logged[target]) for target, end in expected.items() if logged[target] != end}


def every_break(ending, sides=SIDES, streams=STREAMS):
    for side in sides:
        for stream in streams:
            data = STREAMS[stream]
            for cut in cuts(as_server(data) if side == "upstream" else data):
                yield Break(side, ending, stream, cut)


def close_codes(data):
    return [one.close_code for one in frames_of(data)]


@pytest.mark.deadline(60)
@pytest.mark.parametrize("ending", ["fin", "reset"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_side_that_goes(lab, ca, scheme, ending):
    breaks = Breaks(lab, ca, scheme)
    for one in every_break(ending):
        breaks.begin(one)
        one.finish()
        assert one.rest == b"", one.target
    wrong = breaks.ended()
    if (scheme, ending) == ("wss", "fin"):  # see the test below
        wrong = {target: log for target, log in wrong.items() if not target.startswith("/upstream/")}
    assert not wrong
    failures = {line.get("failure") for line in breaks.lines.values()}
    assert failures == {"Connection reset by peer"} if ending == "reset" else scheme == "wss" or failures == {None}


def test_the_log_names_the_side_that_went_first(lab, ca):
    breaks = Breaks(lab, ca, "wss")
    for one in every_break("fin", ["upstream"], ["small"]):
        breaks.begin(one)
        one.finish()
    assert not breaks.ended()


@pytest.mark.deadline(60)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_side_that_falls_silent(lab, ca, scheme):
    """It is told, unless it has had a Close, and so is the other side where no frame is under way; then both are cut."""
    breaks = Breaks(lab, ca, scheme)
    for one in every_break("stall"):
        breaks.begin(one)
    for one in breaks.all.values():
        one.finish()
        told = [1001] if one.at_boundary and not one.closed else []
        assert (close_codes(one.rest), close_codes(one.told)) == (told, [] if one.answers else [1001]), one.target
    assert not breaks.ended()
    for target, line in breaks.lines.items():
        assert line["tunnel"]["duration_ms"] < 1000 * (IDLE + GRACE + seconds(3)), target
