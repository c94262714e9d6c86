"""What a mirror speaks: HTTP/1.1, HTTP/2 that is known beforehand, or agreed on (ALPN). `from support.mirror_way import mirror`, a
fixture, for tests to which it must make no difference; `mirror_h2` is one that speaks HTTP/2."""

import pytest

from support.config_text import config_for
from support.http2_backend import FrameServer, tls_context
from support.http_message import response_bytes
from support.stream import PeerClosed
from support.waiting import wait_until

MARK = "X-Sluice-Mirror"
# What says how a message is carried.
CARRYING = {"host", "transfer-encoding", "connection"}


# ---- a mirror's scripts get a session for each connection -----------------------------------------------------------

class Session:
    """Of HTTP/1.1."""

    def __init__(self, connection):
        self.connection = connection

    def request(self):
        return self.connection.read_request(timeout=60)

    def respond(self, request):
        self.connection.send(response_bytes(200, b"" if request.method == "HEAD" else b"shadow"))

    def begin_answer(self, request):
        """One whose end is nowhere in sight."""
        self.connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")

    def go_on(self, request, block):
        """False: nobody takes it any more."""
        try:
            self.connection.send(block)
        except (PeerClosed, OSError):
            return False
        return True

    def send_nonsense(self):
        self.connection.send(b"SSH-2.0-no\r\n\r\n")

    def hang(self):
        self.connection.hang()


class Http2Session(Session):
    def __init__(self, connection):
        super().__init__(connection)
        self.server = FrameServer(connection)

    def request(self):
        return self.server.request(timeout=60)

    def respond(self, request):
        self.server.respond(request, 200, b"" if request.method == "HEAD" else b"shadow")

    def begin_answer(self, request):
        self.server.respond(request, 200, b"", end=False)

    def go_on(self, request, block):
        self.server.send_body(request.stream, block, end=False)
        return request.reset is None

    def hang(self):
        while True:
            self.server.next_frame(timeout=120)


def answer_copies(session):
    while True:
        session.respond(session.request())


class Mirror:
    def __init__(self, lab, ca, protocol):
        self.lab, self.ca, self.protocol = lab, ca, protocol
        self.shares = protocol != "http/1.1"

    def backend(self, script):
        tls = tls_context(self.ca, "h2", "http/1.1") if self.protocol == "alpn" else None
        return self.lab.backend(lambda connection: script((Http2Session if self.shares else Session)(connection)), tls=tls)

    def upstream(self, backend):
        """As the gateway is told of it."""
        if self.protocol == "alpn":
            return {"name": "shadow", "endpoints": [f"https://localhost:{backend.port}"], "tls": {"ca": str(self.ca.certificate)}}
        return {"name": "shadow", "endpoints": [backend.url], **({"protocol": "h2"} if self.shares else {})}


@pytest.fixture(params=["http/1.1", "h2", "alpn"])
def mirror(request, lab, ca):
    return Mirror(lab, ca, request.param)


@pytest.fixture(params=["h2", "alpn"])
def mirror_h2(request, lab, ca):
    return Mirror(lab, ca, request.param)


# ---- the gateway ----------------------------------------------------------------------------------------------------

def answering(body=b"main"):
    def script(connection):
        while True:
            method = connection.read_request().method
            connection.send(response_bytes(200, b"" if method == "HEAD" else body))
    return script


def mirror_config(lab, shadow, share=None, main=None, **sections):
    """`shadow`: a backend of HTTP/1.1, or an upstream of that name."""
    main = main or lab.backend(answering())
    copies = {"upstream": "shadow", **({"share": share} if share else {})}
    config = config_for(main, route={"mirror": copies}, workers=1, **sections)
    config["upstreams"].append(shadow if isinstance(shadow, dict) else {"name": "shadow", "endpoints": [shadow.url]})
    return config


def requests_metric(gateway, result):
    return gateway.metric("sluice_mirror_requests_total", route="all", result=result)


def skipped(gateway, reason):
    return gateway.metric("sluice_mirror_skipped_total", route="all", reason=reason)


def is_seen(gateway, result, number):
    wait_until(lambda: requests_metric(gateway, result) == number, f"{number} copies to be {result}")


def told(request):
    """What a request says, whatever carries it."""
    lower = [(name.lower(), value) for name, value in (request.fields if hasattr(request, "stream") else request.headers)]
    values = dict(lower)
    return {"method": request.method,
            "host": values.get(":authority", values.get("host")),
            "target": values.get(":path", getattr(request, "target", None)),
            "fields": [(name, value) for name, value in lower if name[0] != ":" and name not in CARRYING],
            "body": request.body,
            "trailers": [(name.lower(), value) for name, value in request.trailers]}
