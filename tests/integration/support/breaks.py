"""Tunnels of which one side breaks off: it dies, resets or falls silent at each byte of a frame's header, in a payload, between
fragments, or in its Close. What the other side must get of it is a test's to say, in a class that is a Break: receive() and check()."""

import contextlib
import ssl
import threading
from dataclasses import dataclass, field

from rfc6455_cases import HELLO
from support import freeze
from support.broken_streams import SIDES, STREAMS, cuts, pieces_of, stream_of
from support.conformance import as_server
from support.raw_client import trusting
from support.waiting import seconds, wait_until
from support.websocket import CLOSE, close_payload, frame_bytes, open_websocket

IDLE = 1.0   # seconds
GRACE = 5.0  # which peers have to answer the gateway's Close
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate")
RESET = "Connection reset by peer"
TRUNCATED = "the peer closed a TLS connection without close_notify"


@dataclass(frozen=True)
class Way:
    """How tunnels lead through the gateway. A side with TLS can end with close_notify (`notify`) or without (`fin`)."""

    name: str
    tls: tuple = ()  # the sides that speak it
    rules: tuple = ()  # the route's for WebSockets
    deflates: bool = False  # with the client


@dataclass
class Break:
    """One tunnel, of which `side` sends a message, so much of a stream, and ends so."""

    way: Way
    side: str
    ending: str
    stream: str
    cut: int
    rest: bytes = b""  # what the other side got since the break
    told: bytes = b""  # what the side that fell silent was told
    opened: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.target = f"/{self.way.name}/{self.ending}/{self.side}/{self.stream}/{self.cut}"
        self.other = SIDES[self.side == "client"]
        self.first = as_server(HELLO) if self.side == "upstream" else HELLO
        self.second = stream_of(self.stream, self.side, self.way.deflates and self.side == "client")[:self.cut]
        self.sent = self.first + self.second
        self.closed = any(piece.whole and piece.frame.opcode == CLOSE for piece in pieces_of(self.sent))
        self.answers = self.stream == "answer"
        self.failure_is_known = True

    # what a test says

    def receive(self, stream):
        """Reads, on the other side, all that must come before the break."""
        raise NotImplementedError

    def check(self):
        """Judges what came, when it is over."""
        raise NotImplementedError

    def expected_answers(self):
        """(opcode, payload) of the frames that the side gets from the gateway for what it sent."""
        return []

    def expected_end(self):
        """What is to be logged: (code of the first Close, who said it or went first, failure)."""
        unannounced = self.ending == "fin" and self.side in self.way.tls
        failure = RESET if self.ending == "reset" else TRUNCATED if unannounced else None
        if self.answers:
            return 1000, self.other, failure
        if self.closed:
            return 1000, self.side, failure
        return (1001, "gateway", failure) if self.ending == "stall" else (None, self.side, failure)

    # how it goes

    def script(self, peer):
        """The backend's: the test plays both sides."""
        peer.timeout = 20.0
        peer.accept_websocket()
        self.peer = peer
        self.opened.set()
        peer.wait(self.over, timeout=60)

    def open(self, client):
        answer = open_websocket(client, self.target, [DEFLATE] if self.way.deflates else [])
        assert (answer.header(DEFLATE[0]) is not None) == self.way.deflates
        assert self.opened.wait(seconds(20)), f"{self.target}: no tunnel at the backend"
        self.breaks, self.sees = (client, self.peer) if self.side == "client" else (self.peer, client)

    def send(self):
        """Until all has come that is to come before the break."""
        self.breaks.send(self.first)
        if self.answers:
            self.sees.send(frame_bytes(CLOSE, close_payload(1000), mask=self.other == "client"))
            assert self.breaks.read_frame().close_code == 1000
        self.breaks.send(self.second)
        for answer in self.expected_answers():
            got = self.breaks.read_frame()
            assert (got.opcode, got.payload) == answer, self.target
        self.receive(self.sees)

    def send_unheard(self):
        """Nobody reads, and the other side has something to say as well."""
        self.sees.send(HELLO if self.other == "client" else as_server(HELLO))
        self.breaks.send(self.sent)
        self.failure_is_known = self.ending == "reset"  # whoever has closed answers what still comes with a reset

    def end(self):
        if self.ending == "notify":
            self.breaks.socket.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):  # the gateway's comes when the other side has ended
                self.breaks.socket.unwrap()
        elif self.ending == "reset":
            self.breaks.reset()
        elif self.ending == "fin":
            self.breaks.close()

    def finish(self):
        """Waits for the end at the other side, and judges."""
        self.rest = self.sees.read_until_closed()
        if self.ending == "stall":
            self.told = self.breaks.read_until_closed()
        if self.other in self.way.tls:
            with contextlib.suppress(OSError):  # where the gateway has cut both
                self.sees.socket = self.sees.socket.unwrap()  # one end without close_notify is enough
        self.sees.close()
        self.breaks.close()
        self.over.set()
        self.check()


def every_break(kind, way, ending, streams=STREAMS):
    for side in SIDES:
        for stream in streams if ending != "notify" or side in way.tls else ():
            for cut in cuts(stream_of(stream, side, way.deflates and side == "client")):
                yield kind(way, side, ending, stream, cut)


class Breaks:
    """A gateway with these ways through it, and tunnels by their targets."""

    def __init__(self, lab, ca, *ways):
        self.lab, self.all = lab, {}
        certificate = ca.issue("127.0.0.1")
        self._trust = trusting(ca.certificate)
        listeners = [{"name": "plain", "address": "127.0.0.1:0"},
                     {"name": "secure", "address": "127.0.0.1:0", "tls": {"certificates": [certificate.as_config()]}}]
        plain, secure = lab.backend(self._script), lab.backend(self._script, tls=certificate.server_context())
        upstreams = [{"name": "plain", "endpoints": [plain.url]},
                     {"name": "secure", "endpoints": [secure.url], "tls": {"ca": str(ca.certificate)}}]
        routes = [self._route(way, ending) for way in ways for ending in ("", "stall")]
        self.gateway = lab.gateway(listeners=listeners, upstreams=upstreams, routes=routes)
        self._descriptors = self.gateway.descriptors()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.all.values():
            one.over.set()  # also when the test has failed: the backend's threads wait for it

    @staticmethod
    def _route(way, ending):
        rules = {**dict(way.rules), **({"idle_timeout": f"{IDLE * 1000:.0f}ms"} if ending else {})}
        return {"name": f"{way.name}{ending}", "match": {"path_prefix": f"/{way.name}/{ending}".rstrip("/")},
                "upstream": "secure" if "upstream" in way.tls else "plain", **({"websocket": rules} if rules else {})}

    def _script(self, peer):
        request = peer.read_request_head()
        peer.unread(request.head)
        self.all[request.target].script(peer)

    def open(self, one):
        self.all[one.target] = one
        secure = "client" in one.way.tls
        tls = {"tls": self._trust, "server_name": "127.0.0.1"} if secure else {}
        one.open(self.lab.client(self.gateway, "secure" if secure else "plain", timeout=20, **tls))

    def play(self, breaks):
        """One after the other."""
        for one in breaks:
            self.open(one)
            one.send()
            one.end()
            one.finish()

    def play_together(self, breaks):
        """Those that take their time."""
        for one in breaks:
            self.open(one)
            one.send()
        for one in self.all.values():
            one.finish()

    def play_unheard(self, breaks):
        """The gateway finds the bytes and the end in one moment, and something to say to the side that is gone."""
        for one in breaks:
            self.open(one)
        with freeze.stopped(self.gateway):
            for one in self.all.values():
                one.send_unheard()
            for one in self.all.values():
                freeze.wait_delivered(one.breaks)
                one.end()
        for one in self.all.values():
            one.finish()

    def check(self):
        """Waits until nothing is left of them, and compares what was logged of each."""
        self.gateway.wait_metric("sluice_websocket_tunnels_open", 0)
        wait_until(lambda: self.gateway.descriptors() <= self._descriptors + 1,
                   lambda: f"{self.gateway.descriptors()} descriptors, {self._descriptors} before")
        self.gateway.wait_log(len(self.all), event="tunnel_close")
        self.lines = {line["target"]: line for line in self.gateway.access_log() if line["event"] == "tunnel_close"}
        wrong = {}
        for target, one in self.all.items():
            line = self.lines[target]
            logged = line["tunnel"].get("close_code"), line["tunnel"]["close_initiator"], line.get("failure")
            expected = one.expected_end()
            if logged[:2] != expected[:2] or one.failure_is_known and logged != expected:
                wrong[target] = logged, expected
        assert not wrong
