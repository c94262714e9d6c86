"""The corpus of ambiguous and broken messages (tests/corpus/): what the client gets, and what reached the backend."""

import random
import socket
import struct
import threading

import pytest

from conftest import Lab
from support import corpus, websocket
from support.http_message import request_bytes, response_bytes
from support.raw_client import RawClient
from support.stream import PeerClosed
from support.waiting import wait_until

REQUESTS, RESPONSES = corpus.load("requests"), corpus.load("responses")
LIMITS = {"max_request_line": "1KiB", "max_request_head": "4KiB", "max_headers": 20, "max_request_body": "64KiB"}
CANARY = b"GET /canary HTTP/1.1\r\nHost: canary.example\r\n\r\n"
TCP_ESTABLISHED, TCP_INFO_STATE, TCP_INFO_BYTES_RECEIVED = 1, 0, 128  # struct tcp_info of <linux/tcp.h>
# What the gateway says itself: compared only in cases that name it.
OWN = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "x-request-id", "via")
SHORT = [case for case in REQUESTS if len(case.bytes) < 2000]


def by_id(case):  # pytest asks for an empty table too
    return getattr(case, "id", "none")


class Bench:
    """One gateway and one backend for the whole corpus: that they serve on after each case is part of what is shown."""

    def __init__(self, folder):
        self.lab = Lab(folder)
        self.case = None  # a response case that awaits its request
        self.backend = self.lab.backend(self._serve)
        self.gateway = self.lab.gateway(self.backend, limits=LIMITS, workers=1, upstream={"retries": {"attempts": 1}})
        self.lock = threading.Lock()
        self.seen_requests = self.seen_bytes = 0

    def client(self):
        return self.lab.client(self.gateway)

    def _serve(self, peer):
        while True:
            request = peer.read_request()
            request.connection = peer.index
            with self.lock:
                case, self.case = self.case, None
            if case is not None:
                if not self._play(peer, request, case):
                    return
            elif request.header("Upgrade"):
                accept = websocket.accept_for(request.header("Sec-WebSocket-Key"))
                peer.send(response_bytes(101, b"", [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                                    ("Sec-WebSocket-Accept", accept)], "Switching Protocols"))
                peer.hang()
                return
            else:
                body = b"" if request.method == "HEAD" else b"ok"
                peer.send(response_bytes(200, body, [("Content-Length", "2"), ("X-Target", request.target)]))

    def _play(self, peer, request, case):
        key = request.header("Sec-WebSocket-Key") or ""
        try:
            peer.send(case.bytes.replace(b"{accept}", websocket.accept_for(key).encode()))
        except PeerClosed:
            return False  # refused in the middle
        if case.get("then") == "reset":
            peer.reset()
        return case.get("then", "keep") == "keep"

    def settle(self):
        """Until the backend has read all that the gateway ever sent it: a refused exchange's last bytes may still lie in
        the kernel, and would be counted as the next case's. Connections are accepted in order, so that one of our own
        tells that all earlier ones were; the kernel knows how many bytes came on each."""
        own = RawClient(self.backend.port)
        assert own.request(target="/settle").status == 200
        own.close()
        wait_until(lambda: all(map(self._has_read_all, list(self.backend.connections))), "the backend to have read all")

    @staticmethod
    def _has_read_all(connection):
        try:
            info = connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        except OSError:
            return True  # closed by its script
        came, = struct.unpack_from("Q", info, TCP_INFO_BYTES_RECEIVED)
        return info[TCP_INFO_STATE] == TCP_ESTABLISHED and came == len(connection.received)

    def news(self):
        """Since the last time: the requests that became whole at the backend, how many bytes came in all, and what was
        no HTTP. All of it is forgotten, so that one failure is not every later case's as well."""
        requests, self.seen_requests = self.backend.requests[self.seen_requests:], len(self.backend.requests)
        total = sum(len(one.received) for one in list(self.backend.connections))
        grown, self.seen_bytes = total - self.seen_bytes, total
        errors = list(self.backend.errors)
        del self.backend.errors[:len(errors)]
        return requests, grown, errors


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("corpus"))
    yield made
    made.lab.close()


def canonical(start, fields, body, trailers, named):
    """Comparable, whatever the order of the fields and the sizes of the chunks."""
    def lines(pairs):
        return sorted(f"{name.lower()}: {value}" for name, value in pairs)

    kept = [pair for pair in fields if pair[0].lower() in named or pair[0].lower() not in OWN]
    return start, lines(kept), body, lines(trailers)


def expected_request(text):
    head, _, body = text.strip().partition("\\e\\e")
    body, _, trailers = body.partition("\\etrailers:\\e")
    fields = [[line.split(": ", 1) for line in corpus.to_bytes(part).decode("latin-1").split("\r\n") if line]
              for part in (head.partition("\\e")[2], trailers)]
    fields = [[(pair[0], pair[1] if len(pair) > 1 else "") for pair in part] for part in fields]
    named = {name.lower() for name, _ in fields[0]}
    start = corpus.to_bytes(head.partition("\\e")[0]).decode("latin-1")
    return canonical(start, fields[0], corpus.to_bytes(body), fields[1], named), named


def check_backend(case, bench, statuses, kept):
    requests, grown, errors = bench.news()
    assert not errors, f"the backend got what is no HTTP: {errors[0]!r}"
    canaries = [request for request in requests if request.target == "/canary"]
    assert len(canaries) == kept, "it swallowed the next one" if kept else "what is behind it reached the backend"
    requests = [request for request in requests if request.target != "/canary"]
    refused = all(status >= 400 for status in statuses)
    wanted = case.get("backend", "nothing" if refused else None)
    assert wanted, "a request that is served says what the backend gets"
    if wanted == "nothing":
        assert not requests and grown == sum(len(one.head) for one in canaries), "something reached the backend"
    elif wanted == "unfinished":
        assert not requests, "a broken request became whole"
    else:
        pairs = [expected_request(one) for one in wanted.split(" && ")]
        assert len(requests) == len(pairs), [request.target for request in requests]
        for request, (want, named) in zip(requests, pairs):
            start = f"{request.method} {request.target} HTTP/{request.version}"
            assert canonical(start, request.headers, request.body, request.trailers, named) == want


def play(case, bench, pieces):
    bench.settle()
    bench.news()
    text, _, after = case.get("expect").rpartition(" ")
    assert after in ("keep", "close", "tunnel"), case.get("expect")
    statuses = [int(status) for status in text.split()]
    client = bench.client()
    method = "HEAD" if case.bytes.lstrip().startswith(b"HEAD") else "GET"
    try:
        for piece in pieces:
            client.send(piece)
    except PeerClosed:
        assert after == "close"  # refused as early as it could be told
    for status in statuses:
        response = client.response(method)
        assert response.status == status, response
    if statuses and statuses[-1] >= 400 and after == "close":
        assert "close" in [option.strip().lower() for line in response.all("Connection") for option in line.split(",")]
    if after == "keep":
        response = client.response()
        assert (response.status, response.header("X-Target")) == (200, "/canary")
    elif after == "close":
        client.expect_closed()
    client.close()
    check_backend(case, bench, statuses, after == "keep")


@pytest.mark.parametrize("case", REQUESTS, ids=by_id)
def test_request(bench, case):
    play(case, bench, [case.bytes + (b"" if case.get("expect").endswith("tunnel") else CANARY)])


@pytest.mark.parametrize("case", random.Random(20).sample(SHORT, 150), ids=by_id)
def test_request_byte_by_byte(bench, case):
    text = case.bytes + (b"" if case.get("expect").endswith("tunnel") else CANARY)
    play(case, bench, [text[at:at + 1] for at in range(len(text))])


@pytest.mark.parametrize("case", SHORT, ids=by_id)
def test_request_in_pieces(bench, case):
    text = case.bytes + (b"" if case.get("expect").endswith("tunnel") else CANARY)
    cuts = sorted(random.Random(case.id).sample(range(1, len(text)), 5))
    play(case, bench, [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)])])


REQUEST_OF = {
    "GET": request_bytes(),
    "HEAD": request_bytes("HEAD"),
    "POST": request_bytes("POST", body=b"hello"),
    "HTTP/1.0": request_bytes(version="1.0"),
    "upgrade": websocket.upgrade_bytes(),
    "upgrade offering": websocket.upgrade_bytes("/", extra=[("Sec-WebSocket-Protocol", "chat, superchat"),
                                                            ("Sec-WebSocket-Extensions", "permessage-deflate")]),
}


def check_response(response, words):
    assert response.status == int(words[0]), response
    body = next((corpus.to_bytes(word[5:]) for word in words if word.startswith("body=")), None)
    assert body is None or response.body == body
    assert [one.status for one in response.interim] == [int(word[1:]) for word in words if word.startswith("+")]
    missing = [word[1:] for word in words if word.startswith("!")]
    assert not [name for name in missing if response.all(name) or name in dict(response.trailers)]


@pytest.mark.parametrize("case", RESPONSES, ids=by_id)
def test_response(bench, case):
    kind = case.get("request", "GET")
    words = case.get("expect").split()
    bench.case = case
    client = bench.client()
    client.send(REQUEST_OF[kind])
    cut = False
    try:
        check_response(client.response("HEAD" if kind == "HEAD" else "GET"), words)
        assert "cut" not in words, "it looks whole"
    except PeerClosed:
        assert "cut" in words or "or-cut" in words, "it is not whole"
        cut = True
    wait_until(lambda: bench.case is None, "the backend to have been asked")
    before = bench.backend.requests[-1].connection
    if "tunnel" in words:
        client.close()
        return
    if "keep" in words and not cut:
        answer = client.request(target="/canary")
        assert (answer.status, answer.header("X-Target")) == (200, "/canary"), "another's answer"
    else:
        client.expect_closed()
        answer = bench.lab.request(bench.gateway, target="/canary")
        assert (answer.status, answer.header("X-Target")) == (200, "/canary"), "another's answer"
    if "upstream-kept" in words:
        assert bench.backend.requests[-1].connection == before
    else:
        assert bench.backend.requests[-1].connection != before, "a connection that cannot be trusted was used again"


def test_the_corpus_is_as_large_as_it_says():
    assert len(REQUESTS) >= 400
    assert len(RESPONSES) >= 100
    assert len({case.bytes for case in REQUESTS}) == len(REQUESTS), "the same bytes twice"
