"""Requests of HTTP/2 while system calls fail: support/fault_lab.py says what is examined."""

import sys

import pytest

from support.fault_lab import FaultLab
from support.fault_peers import BODY, DIGEST, PIECE, TRY, Answered, expect, use_tunnel
from support.http2_client import Http2Client
from support.http2_websocket import begin_websocket
from support.stream import PeerReset

MODES = ["plain", "tls"]  # what backends do is the same as on HTTP/1.1
NEEDED = {"accept4", "socket", "connect", "epoll_ctl_add", "epoll_wait", "recv", "send", "close"}
NOT_BEGUN, BEGUN = sys.maxsize, -1  # as the mark behind which an answer begins: SETTINGS are none


def ask(client, stream, name, target, method="GET", body=None, length=None, trailers=None):
    """One request on its connection; as those of fault_peers.py."""
    stream.mark = NOT_BEGUN
    fields = [(TRY.lower(), name)] + ([("content-length", str(length))] if length is not None else [])
    number = client.begin(method, target, fields, end=body is None)
    if body is not None:
        client.send_body(number, body, end=trailers is None)
        if trailers is not None and not client.answers[number].ended and client.answers[number].reset is None:
            client.send_trailers(number, trailers)
    answer = client.head(number)
    if answer.status:
        stream.mark = BEGUN
    answer = client.answer(number)
    if answer.header("sluice-error"):
        raise Answered(HeaderOf(answer))
    if not answer.ended:
        raise PeerReset(f"the stream was reset: {answer.reset}")
    return HeaderOf(answer)


class HeaderOf:
    """An answer as one of HTTP/1.1 looks."""

    def __init__(self, answer):
        self.status, self.body, self.trailers, self.head = answer.status, answer.body, answer.trailers, answer
        self._answer = answer

    def header(self, name):
        return self._answer.header(name.lower())


def two_requests(stream, name):
    """A long answer and, on the same connection, one in chunks with trailers."""
    client = Http2Client(stream)
    expect(ask(client, stream, name, "/long"), 200, BODY)
    response = ask(client, stream, name, "/chunked/last")
    expect(response, 200, BODY[:PIECE])
    assert response.trailers == [("x-end", "yes")]


def requests_at_once(stream, name):
    """Long answers that share the connection."""
    client = Http2Client(stream)
    stream.mark = NOT_BEGUN
    numbers = [client.begin(path=f"/long/{at}/last", headers=[(TRY.lower(), name)]) for at in range(3)]
    for number in numbers:
        if client.head(number).status:
            stream.mark = BEGUN
    answers = [client.answer(number) for number in numbers]
    for answer in answers:
        if answer.header("sluice-error"):
            raise Answered(HeaderOf(answer))
    if not all(answer.ended for answer in answers):
        raise PeerReset("a stream was reset")
    for answer in answers:
        expect(HeaderOf(answer), 200, BODY)


def upload_by_length(stream, name):
    expect(ask(Http2Client(stream), stream, name, "/upload/last", "POST", BODY, len(BODY)), 200, DIGEST)


def upload_with_trailers(stream, name):
    expect(ask(Http2Client(stream), stream, name, "/upload/last", "POST", BODY, trailers=[("x-end", "yes")]), 200, DIGEST)


def tunnel(stream, name):
    client = Http2Client(stream)
    stream.mark = NOT_BEGUN
    websocket = begin_websocket(client, extra=[(TRY, name)])
    answer = websocket.head()
    if answer.status:
        stream.mark = BEGUN
    if answer.header("sluice-error"):
        raise Answered(HeaderOf(client.answer(websocket.number)))
    if answer.reset is not None:
        raise PeerReset(f"the stream was reset: {answer.reset}")
    assert answer.status == 200
    use_tunnel(websocket)


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
def test_tunnels(lab, ca, mode):
    FaultLab(lab, ca, mode, protocol="h2").run(tunnel)


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [two_requests, requests_at_once])
def test_requests(lab, ca, mode, scenario):
    counts = FaultLab(lab, ca, mode, protocol="h2").run(scenario)
    assert all(counts[call] for call in NEEDED), counts


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [upload_by_length, upload_with_trailers])
def test_uploads(lab, ca, mode, scenario):
    FaultLab(lab, ca, mode, protocol="h2").run(scenario)
