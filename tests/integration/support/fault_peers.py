"""The scenarios of the tests of faults: what a client does, with the backend that answers it."""

import hashlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass

from support import websocket
from support.http_message import chunked, read_chunk, read_response, read_trailers, request_bytes, response_bytes
from support.raw_backend import echo_websocket
from support.stream import PeerClosed, PeerReset

# No byte of it looks like its neighbours: what is lost, doubled or swapped shows.
BODY = random.Random(1).randbytes(150_000)
DIGEST = hashlib.sha256(BODY).hexdigest().encode()
PIECE = 50_000
TRY = "X-Try"


class Answered(Exception):
    """The gateway answered itself."""

    def __init__(self, response):
        super().__init__(f"{response.status} {response.header('Sluice-Error')}")
        self.response = response


class SeemsWhole(Exception):
    """A part of the answer, with nothing to show that it is not all."""


@dataclass
class Ending:
    """How a scenario ended for its client."""

    right: bool = False
    status: int = None  # of the gateway's own answer
    reason: str = None
    begun: bool = False  # whether the answer to the last request had begun
    seems_whole: bool = False  # what is missing of it cannot be seen
    detail: str = ""


# ---- the backend ----------------------------------------------------------------------------------------------------

class Backend:
    """The script of a backend, with what it has seen by the name of the try."""

    def __init__(self):
        self.begun = Counter()  # requests that may not be repeated, of which the head came
        self.uploaded = {}  # digests of bodies that came whole

    def __call__(self, connection):
        while True:
            request = connection.read_request_head(timeout=60)
            name = request.header(TRY)
            if request.method == "POST" or request.header("Upgrade"):
                self.begun[name] += 1
            last = "/last" in request.target
            if request.target.startswith("/ws"):
                connection.unread(request.head)
                return echo_websocket(connection)
            connection.send(self._answer(connection, request, name, [("Connection", "close")] if last else []))
            if last:
                return None

    def _answer(self, connection, request, name, fields):
        if request.target.startswith("/upload"):
            self.uploaded[name] = _digest_of_body(connection, request)
            return response_bytes(200, self.uploaded[name], fields)
        if request.target.startswith("/refuse"):
            return response_bytes(403, BODY[:300], fields, "Forbidden")
        if request.target.startswith("/chunked"):
            body = chunked(BODY[:100], BODY[100:PIECE], trailers=b"X-End: yes\r\n")
            return response_bytes(200, body, [("Transfer-Encoding", "chunked"), *fields])
        return response_bytes(200, BODY if request.target.startswith("/long") else b"ok", fields)


def _digest_of_body(connection, request):
    digest = hashlib.sha256()
    if request.header("Transfer-Encoding"):
        while part := read_chunk(connection):
            digest.update(part)
        read_trailers(connection)
    else:
        for part in connection.blocks(int(request.header("Content-Length"))):
            digest.update(part)
    return digest.hexdigest().encode()


# ---- clients --------------------------------------------------------------------------------------------------------

def ask(client, name, target, method="GET", body=b"", fields=()):
    """One request on a connection; Answered if it is the gateway that answers."""
    client.mark = len(client.received)
    client.send(request_bytes(method, target, [(TRY, name), *fields], body))
    return answer(client, method)


def answer(client, method="GET"):
    response = read_response(client, method)
    if response.header("Sluice-Error"):
        raise Answered(response)
    return response


def expect(response, status, body):
    assert response.status == status, response.head
    assert response.body == body, f"{len(response.body)} bytes, {len(body)} expected"


def two_requests(client, name):
    """A long answer and, on the same connection, one in chunks."""
    expect(ask(client, name, "/long"), 200, BODY)
    response = ask(client, name, "/chunked/last")
    expect(response, 200, BODY[:PIECE])
    assert response.trailers == [("X-End", "yes")]


def old_client(client, name):
    """HTTP/1.0: the end of the connection is the end of the body."""
    client.send(request_bytes("GET", "/chunked/last", [(TRY, name)], version="1.0"))
    response = answer(client)
    if client.ended == "reset":
        raise PeerReset("in the middle of the body")
    assert response.status == 200 and BODY.startswith(response.body), response.head
    if len(response.body) < PIECE:
        raise SeemsWhole(f"{len(response.body)} bytes")


def request_then_upload(client, name):
    """The second request may go over the first one's connection to the backend."""
    expect(ask(client, name, "/long"), 200, BODY)
    upload_by_length(client, name)


def upload_by_length(client, name):
    expect(ask(client, name, "/upload/last", "POST", BODY), 200, DIGEST)


def upload_in_chunks(client, name):
    parts = [BODY[at:at + PIECE] for at in range(0, len(BODY), PIECE)]
    response = ask(client, name, "/upload/last", "POST", chunked(*parts), [("Transfer-Encoding", "chunked")])
    expect(response, 200, DIGEST)


def _upgrade(client, name, target):
    client.mark = len(client.received)
    client.send(websocket.upgrade_bytes(target, extra=[(TRY, name)]))
    return answer(client)


def refused_upgrade(client, name):
    expect(_upgrade(client, name, "/refuse"), 403, BODY[:300])
    client.expect_closed()


def upgrade(client, name):
    """The handshake and an end without a word."""
    response = _upgrade(client, name, "/ws")
    assert response.status == 101 and response.header("Sec-WebSocket-Accept") == websocket.accept_for(websocket.KEY)


def tunnel(client, name):
    upgrade(client, name)
    use_tunnel(client)


def use_tunnel(client):
    """Messages both ways, a ping, and Close."""
    sizes = [3, 140_000, 70_000, 1]  # of the second one the end is spliced, the third one whole
    for number, size in enumerate(sizes):
        client.send_frame(websocket.BINARY, BODY[number:number + size])
        frame = client.read_frame()
        assert (frame.opcode, frame.payload) == (websocket.BINARY, BODY[number:number + size])
    client.send_frame(websocket.PING, b"here")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (websocket.PONG, b"here")
    client.send_frame(websocket.CLOSE, websocket.close_payload(1000))
    frame = client.read_frame()
    assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 1000)
    client.expect_closed()


def play(scenario, name, connect):
    """Plays a scenario on a new connection."""
    client = None
    try:
        client = connect()
        client.mark = 0
        scenario(client, name)
        return Ending(right=True)
    except Answered as answered:
        return Ending(status=answered.response.status, reason=answered.response.header("Sluice-Error"), begun=True)
    except SeemsWhole as error:
        return Ending(begun=True, seems_whole=True, detail=repr(error))
    except TimeoutError as error:
        raise AssertionError("the gateway did not answer in time") from error
    except (PeerClosed, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        return Ending(begun=client is not None and len(client.received) > client.mark, detail=repr(error))
    finally:
        if client is not None:
            client.close()
